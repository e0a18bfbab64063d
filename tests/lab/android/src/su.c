/*
 * su, as the lab phone has it: the command line of Magisk's su, of KernelSU's, or of AOSP's.
 *
 * What it answers is in MODE_FILE, which only root can write: words, in any order.
 *   grant | deny      what the user of the phone chose
 *   slow N            the answer comes after N seconds, as a prompt that nobody taps
 *   banner            a line on standard output before anything else
 *   kernelsu          KernelSU's version strings, and who is denied finds no su at all
 *   aosp              the su of userdebug builds: "su UID COMMAND ARGS", and no -c
 * "absent" is not a word of this program: then the file is not there (see su-mode).
 * Whoever is root already is always let through, as on the real ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MODE_FILE "/lab/state/su/mode"
#define SHELL "/system/bin/sh"
#define MAX_GROUPS 32

struct mode {
    int deny, kernelsu, aosp, banner;
    double slow;
};

static struct mode read_mode(void)
{
    struct mode mode = {0};
    char text[256] = "";
    FILE *file = fopen(MODE_FILE, "re");

    if (file == NULL) {
        return mode;
    }
    size_t got = fread(text, 1, sizeof text - 1, file);
    text[got] = '\0';
    fclose(file);
    char *rest = text;
    for (char *word; (word = strsep(&rest, " \n")) != NULL;) {
        if (strcmp(word, "deny") == 0) mode.deny = 1;
        else if (strcmp(word, "kernelsu") == 0) mode.kernelsu = 1;
        else if (strcmp(word, "aosp") == 0) mode.aosp = 1;
        else if (strcmp(word, "banner") == 0) mode.banner = 1;
        else if (strcmp(word, "slow") == 0 && rest != NULL) mode.slow = strtod(strsep(&rest, " \n"), NULL);
    }
    return mode;
}

static void usage(const struct mode *mode, int status)
{
    fprintf(status == 0 ? stdout : stderr,
            "%s\n\n"
            "Usage: su [options] [-] [user [argument...]]\n\n"
            "  -c, --command COMMAND     the shell runs COMMAND; all that follows belongs to it\n"
            "  -g, --group GID           primary group\n"
            "  -G, --supp-group GID      one more group\n"
            "  -Z, --context CONTEXT     SELinux context (not kept here)\n"
            "  -t, --target PID          whose mount namespace to take (not kept here)\n"
            "  -, -l, --login            a login shell\n"
            "  -m, -p, --preserve-environment\n"
            "  -s, --shell SHELL         instead of " SHELL "\n"
            "  -mm, -M, --mount-master   the global mount namespace\n"
            "  -v, --version   -V        version, version code\n"
            "  -h, --help\n",
            mode->kernelsu ? "KernelSU" : "MagiskSU");
    exit(status);
}

static long number(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return (*text < '0' || *text > '9' || *end != '\0' || errno != 0) ? -1 : value;
}

static void wait_for_the_prompt(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Asks "the user"; comes back only where the answer is yes. */
static void ask(const struct mode *mode)
{
    if (getuid() == 0) {
        return;
    }
    wait_for_the_prompt(mode->slow);
    if (mode->deny) {
        fprintf(stderr, "Permission denied\n");
        exit(EACCES);
    }
}

static void become(uid_t uid, gid_t *groups, size_t count)
{
    gid_t gid = count > 0 ? groups[0] : (gid_t)uid;
    gid_t alone = gid;

    if (setgroups(count > 0 ? count : 1, count > 0 ? groups : &alone) != 0
        || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        perror("su");
        exit(1);
    }
}

static void set_environment(uid_t uid, const char *shell)
{
    struct passwd *who = getpwuid(uid);

    if (who != NULL) {
        setenv("HOME", who->pw_dir, 1);
        setenv("USER", who->pw_name, 1);
        setenv("LOGNAME", who->pw_name, 1);
        setenv("SHELL", shell, 1);
    }
}

/* The command lives in a session of its own, so it outlives the client that asked for it. */
static int run(const char *path, char **argv, uid_t uid, gid_t *groups, size_t count)
{
    pid_t child = fork();

    if (child < 0) {
        perror("su");
        return 1;
    }
    if (child == 0) {
        if (!isatty(STDIN_FILENO)) {
            setsid();
        }
        umask(022);
        become(uid, groups, count);
        execvp(path, argv);
        fprintf(stderr, "Cannot execute %s: %s\n", path, strerror(errno));
        _exit(1);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WEXITSTATUS(status); /* 0 for a command that a signal ended: so says Magisk's daemon */
}

static int aosp_main(const struct mode *mode, int argc, char **argv)
{
    uid_t uid = 0;
    int at = 1;

    if (argc > 1) {
        struct passwd *who = getpwnam(argv[1]);
        long id = who != NULL ? (long)who->pw_uid : number(argv[1]);
        if (id < 0) {
            fprintf(stderr, "su: invalid uid/gid '%s'\n", argv[1]);
            return 1;
        }
        uid = (uid_t)id;
        at = 2;
    }
    ask(mode);
    char *shell[] = {SHELL, NULL};
    set_environment(uid, SHELL);
    become(uid, NULL, 0);
    execvp(at < argc ? argv[at] : SHELL, at < argc ? argv + at : shell);
    fprintf(stderr, "su: failed to exec %s: %s\n", at < argc ? argv[at] : SHELL, strerror(errno));
    return 1;
}

static char *joined(char **words)
{
    size_t size = 1;
    for (char **word = words; *word != NULL; word++) {
        size += strlen(*word) + 1;
    }
    char *text = calloc(1, size);
    for (char **word = words; text != NULL && *word != NULL; word++) {
        strcat(strcat(text, word == words ? "" : " "), *word);
    }
    return text;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"command", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'},
        {"login", no_argument, NULL, 'l'}, {"preserve-environment", no_argument, NULL, 'p'},
        {"shell", required_argument, NULL, 's'}, {"version", no_argument, NULL, 'v'},
        {"context", required_argument, NULL, 'Z'}, {"mount-master", no_argument, NULL, 'M'},
        {"target", required_argument, NULL, 't'}, {"group", required_argument, NULL, 'g'},
        {"supp-group", required_argument, NULL, 'G'}, {NULL, 0, NULL, 0},
    };
    const struct mode mode = read_mode();
    char *shell = SHELL, *command = NULL;
    int login = 0, keep = 0, opt;
    gid_t groups[MAX_GROUPS];
    size_t count = 0;
    uid_t uid = 0;

    if (mode.kernelsu && mode.deny && getuid() != 0) { /* its su is the kernel's: not there for all */
        fprintf(stderr, "/system/bin/sh: %s: inaccessible or not found\n", argv[0]);
        return 127;
    }
    if (mode.aosp) {
        return aosp_main(&mode, argc, argv);
    }
    /* -c takes everything after it, so it is found before getopt sees the line. */
    int end = argc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-mm") == 0) argv[i] = "-M";
        size_t length = strlen(argv[i]);
        int bundle = argv[i][0] == '-' && argv[i][1] != '-' && length > 1 && argv[i][length - 1] == 'c';
        if (bundle || strcmp(argv[i], "--command") == 0) {
            if (i + 1 == argc) usage(&mode, 2);
            command = joined(argv + i + 1);
            if (bundle && length > 2) { /* "-lc": the letters before the c are options */
                argv[i] = strndup(argv[i], length - 1);
                end = i + 1;
            } else {
                end = i;
            }
            argv[end] = NULL;
            break;
        }
    }
    while ((opt = getopt_long(end, argv, "hlmps:VvuZ:Mt:g:G:", longs, NULL)) != -1) {
        switch (opt) {
        case 'l': login = 1; break;
        case 'm': case 'p': keep = 1; break;
        case 's': shell = optarg; break;
        case 'v': puts(mode.kernelsu ? "1.0.5:KernelSU" : "28.1:MAGISKSU"); return 0;
        case 'V': puts(mode.kernelsu ? "12081" : "28100"); return 0;
        case 'M': case 'Z': case 't': case 'u': break;
        case 'g': case 'G':
            if (number(optarg) < 0 || count == MAX_GROUPS) {
                fprintf(stderr, "Invalid GID: %s\n", optarg);
                usage(&mode, 1);
            }
            groups[count++] = (gid_t)number(optarg);
            break;
        case 'h': usage(&mode, 0); break;
        default: usage(&mode, 2);
        }
    }
    if (optind < end && strcmp(argv[optind], "-") == 0) {
        login = 1;
        optind++;
    }
    if (optind < end) { /* what follows the user is ignored, as Magisk ignores it */
        struct passwd *who = getpwnam(argv[optind]);
        uid = (uid_t)(who != NULL ? (long)who->pw_uid : number(argv[optind]));
    }
    ask(&mode);
    if (mode.banner) {
        puts("[su] root access granted");
        fflush(stdout);
    }
    if (!keep) {
        set_environment(uid, shell);
    }
    char *words[] = {login ? "-" : shell, command != NULL ? "-c" : NULL, command, NULL};
    return run(shell, words, uid, groups, count);
}
