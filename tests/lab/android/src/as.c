/* as UID[:GID[,GID...]] PROGRAM ARGS: becomes that user, then PROGRAM. For root; starts adbd. */
#define _GNU_SOURCE
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    gid_t groups[64];
    size_t count = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: as UID[:GID[,GID...]] PROGRAM ARGS\n");
        return 2;
    }
    char *rest = argv[1];
    uid_t uid = (uid_t)strtoul(strsep(&rest, ":"), NULL, 10);
    for (char *word; (word = strsep(&rest, ",")) != NULL && count < 64;) {
        groups[count++] = (gid_t)strtoul(word, NULL, 10);
    }
    if (count == 0) {
        groups[count++] = (gid_t)uid;
    }
    if (setgroups(count, groups) != 0 || setresgid(groups[0], groups[0], groups[0]) != 0
        || setresuid(uid, uid, uid) != 0) {
        perror("as");
        return 1;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
