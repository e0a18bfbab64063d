/* A microphone for tests: an ALSA capture device that plays a file of samples (int16, mono, 48000
 * Hz, again and again) by the clock. It is gone once the file FILE.gone is there. */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define RATE 48000

struct mic {
	snd_pcm_ioplug_t io;
	FILE *file;
	char gone[4096];
	int timer;
	int64_t begun;
	int64_t given; /* frames since the start */
};

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void ring(struct mic *mic, long every_ns)
{
	struct itimerspec often = { { 0, every_ns }, { 0, every_ns } };
	timerfd_settime(mic->timer, 0, &often, NULL);
}

static int start(snd_pcm_ioplug_t *io)
{
	struct mic *mic = io->private_data;
	mic->begun = now_ns();
	mic->given = 0;
	ring(mic, 5000000);
	return 0;
}

static int stop(snd_pcm_ioplug_t *io)
{
	ring(io->private_data, 0);
	return 0;
}

static snd_pcm_sframes_t pointer(snd_pcm_ioplug_t *io)
{
	struct mic *mic = io->private_data;
	int64_t heard = (now_ns() - mic->begun) / 1000 * RATE / 1000000;
	if (access(mic->gone, F_OK) == 0)
		return -ENODEV;
	if (heard - mic->given > (int64_t)io->buffer_size)
		return -EPIPE; /* nobody took it in time */
	return heard % io->buffer_size;
}

static snd_pcm_sframes_t transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				  snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct mic *mic = io->private_data;
	int16_t *to = (int16_t *)((char *)areas->addr + (areas->first + areas->step * offset) / 8);
	snd_pcm_uframes_t done = 0;
	while (done < size) {
		size_t got = fread(to + done, 2, size - done, mic->file);
		done += got;
		if (got == 0 && fseek(mic->file, 0, SEEK_SET) != 0)
			return -EIO;
	}
	mic->given += size;
	return size;
}

static int poll_revents(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int count,
			unsigned short *revents)
{
	uint64_t times;
	(void)io, (void)count;
	*revents = 0;
	if (pfd->revents & POLLIN && read(pfd->fd, &times, sizeof(times)) > 0)
		*revents = POLLIN;
	return 0;
}

static int close_mic(snd_pcm_ioplug_t *io)
{
	struct mic *mic = io->private_data;
	fclose(mic->file);
	close(mic->timer);
	free(mic);
	return 0;
}

static const snd_pcm_ioplug_callback_t CALLBACKS = {
	.start = start,
	.stop = stop,
	.pointer = pointer,
	.transfer = transfer,
	.poll_revents = poll_revents,
	.close = close_mic,
};

SND_PCM_PLUGIN_DEFINE_FUNC(labmic)
{
	static const unsigned int accesses[] = { SND_PCM_ACCESS_RW_INTERLEAVED,
						 SND_PCM_ACCESS_MMAP_INTERLEAVED };
	static const unsigned int formats[] = { SND_PCM_FORMAT_S16_LE };
	const char *path = NULL;
	snd_config_iterator_t i, next;
	struct mic *mic;
	int error;

	(void)root;
	snd_config_for_each(i, next, conf)
	{
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;
		if (snd_config_get_id(entry, &id) == 0 && strcmp(id, "file") == 0)
			snd_config_get_string(entry, &path);
	}
	if (stream != SND_PCM_STREAM_CAPTURE || path == NULL)
		return -EINVAL;
	mic = calloc(1, sizeof(*mic));
	if (mic == NULL)
		return -ENOMEM;
	mic->file = fopen(path, "rb");
	if (mic->file == NULL) {
		free(mic);
		return -errno;
	}
	snprintf(mic->gone, sizeof(mic->gone), "%s.gone", path);
	mic->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	mic->io.version = SND_PCM_IOPLUG_VERSION;
	mic->io.name = "Lab microphone";
	mic->io.callback = &CALLBACKS;
	mic->io.private_data = mic;
	mic->io.poll_fd = mic->timer;
	mic->io.poll_events = POLLIN;
	error = snd_pcm_ioplug_create(&mic->io, name, stream, mode);
	if (error < 0) {
		close_mic(&mic->io);
		return error;
	}
	snd_pcm_ioplug_set_param_list(&mic->io, SND_PCM_IOPLUG_HW_ACCESS, 2, accesses);
	snd_pcm_ioplug_set_param_list(&mic->io, SND_PCM_IOPLUG_HW_FORMAT, 1, formats);
	snd_pcm_ioplug_set_param_minmax(&mic->io, SND_PCM_IOPLUG_HW_CHANNELS, 1, 1);
	snd_pcm_ioplug_set_param_minmax(&mic->io, SND_PCM_IOPLUG_HW_RATE, RATE, RATE);
	snd_pcm_ioplug_set_param_minmax(&mic->io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 480, 19200);
	snd_pcm_ioplug_set_param_minmax(&mic->io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 4800, 192000);
	*pcmp = mic->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(labmic);
