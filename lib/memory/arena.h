/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arena.h - memory that the VMM has given for all that the library has of a VM, in two parts:
 *
 *	private		whatever only the owner may see: blocks, first fit, neighbours that are free become one
 *	windows		what other processes may map (cache/window.h): whole pages, each given once
 *
 * The arena's own books are at its beginning. What is given back is zeroed at once. A page of a window that is given
 * back is never given again: whoever has mapped it may still have it.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stdint.h>

struct arena;

/* Where an arena begins, and what a block has of its own. */
#define ARENA_ALIGN 64U

/* @windows: bytes from the beginning to where windows begin; all of them zero. NULL: too small for its own books. */
struct arena *arena_new(void *base, uint64_t bytes, uint64_t windows);
/* Zeroes what is left: nothing was allocated any more. */
void arena_free(struct arena *arena);

/* As vm_alloc(), and vm_alloc_window(). From any thread. */
void *arena_alloc(struct arena *arena, uint64_t bytes, uint64_t align);
void arena_dealloc(struct arena *arena, void *block, uint64_t bytes);
void *arena_alloc_window(struct arena *arena, uint64_t bytes);
void arena_dealloc_window(struct arena *arena, void *window, uint64_t bytes);

#endif
