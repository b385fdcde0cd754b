/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_tape.c - hostile tapes: whatever a file says, it is played to its end, or refused with a reason, without more memory
 * than a tape may take. It is linked with the replayer alone, which sees the library's public headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "player.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition, const char *what)
{
	if (condition)
		return;
	printf("%s\n", what);
	abort();
}

static void play(struct tape *tape)
{
	const struct tape_header *header = tape_header(tape);
	const struct engine *engine = engine_find(tape_header_value(header, "engine"));
	static struct words words;
	struct player *player;
	uint64_t number = 0;
	bool goes_on = true;
	int more;

	words.error[0] = '\0';
	if (!engine)
		return;
	if (!player_headers(header, engine, &words, &number)) {
		check(words.error[0] && number, "headers are refused without a reason");
		return;
	}
	player = player_new("tape", header, engine);
	while (player && goes_on && (more = tape_next(tape, &words)) == 1) {
		goes_on = player_line(player, &words, tape_line_number(tape));
		check(goes_on || words.error[0], "a line is refused without a reason");
	}
	if (player)
		player_end(player);
	player_free(player);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *file = tmpfile();
	struct tape *tape;
	char path[32];

	check(file && fwrite(data, 1, size, file) == size && fflush(file) == 0, "tmpfile");
	snprintf(path, sizeof(path), "/dev/fd/%d", fileno(file));
	tape = tape_open(path);
	check(tape, "out of memory");
	if (!tape_error(tape))
		play(tape);
	tape_close(tape);
	fclose(file);
	return 0;
}
