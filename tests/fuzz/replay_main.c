/* SPDX-License-Identifier: BSD-3-Clause */
/* replay_main.c - runs a fuzzer on files, or on the files of folders, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs one input, in a block of exactly its size, so that a sanitizer sees reads behind it. */
static void run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size ? size : 1);
	FILE *file = fopen(path, "rb");

	if (!data || !file || fread(data, 1, size, file) != size) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

/* Returns how many inputs were run. */
static unsigned run_path(const char *path)
{
	struct stat info;
	struct dirent *entry;
	char child[4096];
	unsigned count = 0;
	DIR *folder;

	if (stat(path, &info)) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	if (!S_ISDIR(info.st_mode)) {
		run_file(path, (size_t)info.st_size);
		return 1;
	}
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		count += run_path(child);
	}
	if (folder)
		closedir(folder);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		count += run_path(argv[i]);
	printf("%u inputs\n", count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
