/* zim-bpe.c: byte pair merging, on token ids alone
 *
 * A word starts as one symbol per byte. While any two neighbours have a merge, the pair of the
 * lowest rank becomes one symbol, the leftmost first where ranks are equal. A queue by (rank, place)
 * finds that pair, so a word of n bytes takes n log n steps, however long it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "text/zim-bpe-private.h"

#define NO_RANK G_MAXUINT32
#define NO_SYMBOL G_MAXUINT32

typedef struct {
  gint32  left;
  gint32  right;
  gint32  result;
  guint32 rank; /* NO_RANK: an empty slot */
} Merge;

struct _ZimBpe {
  Merge *slots; /* open addressing, at most two thirds of them taken */
  guint  n_slots; /* a power of two */
  guint  n_merges;
  gint32 bytes[256];
};

typedef struct {
  gint32  id;
  guint32 previous;
  guint32 next;
  guint32 rank;   /* of the merge with the next symbol, or NO_RANK */
  gint32  merged; /* what that merge gives */
} Symbol;

static Merge *
new_slots (guint n)
{
  Merge *slots = g_new (Merge, n);

  for (guint i = 0; i < n; i++)
    slots[i].rank = NO_RANK;
  return slots;
}

ZimBpe *
zim_bpe_new (void)
{
  ZimBpe *self = g_new0 (ZimBpe, 1);

  self->n_slots = 1024;
  self->slots = new_slots (self->n_slots);
  return self;
}

void
zim_bpe_free (ZimBpe *self)
{
  g_free (self->slots);
  g_free (self);
}

void
zim_bpe_set_byte (ZimBpe *self,
                  guint8  byte,
                  gint32  id)
{
  self->bytes[byte] = id;
}

/* The slot of a pair, or the empty one where it belongs. */
static Merge *
find_slot (ZimBpe *self,
           gint32  left,
           gint32  right)
{
  guint64 pair = (guint64) (guint32) left << 32 | (guint32) right;
  guint64 hash = pair * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  for (guint i = (guint) (hash >> 32);; i++)
    {
      Merge *slot = &self->slots[i & (self->n_slots - 1)];

      if (slot->rank == NO_RANK || (slot->left == left && slot->right == right))
        return slot;
    }
}

static void
grow (ZimBpe *self)
{
  g_autofree Merge *old = g_steal_pointer (&self->slots);
  guint n_old = self->n_slots;

  self->n_slots = 2 * n_old;
  self->slots = new_slots (self->n_slots);
  for (guint i = 0; i < n_old; i++)
    if (old[i].rank != NO_RANK)
      *find_slot (self, old[i].left, old[i].right) = old[i];
}

gboolean
zim_bpe_add_merge (ZimBpe *self,
                   gint32  left,
                   gint32  right,
                   gint32  result)
{
  Merge *slot;

  if (self->n_merges >= self->n_slots / 3 * 2)
    grow (self);
  slot = find_slot (self, left, right);
  if (slot->rank != NO_RANK)
    return FALSE;
  *slot = (Merge) { left, right, result, self->n_merges++ };
  return TRUE;
}

/* The queue is a binary heap of rank << 32 | place. */

static void
queue_push (GArray  *queue,
            guint64  key)
{
  guint64 *heap;
  guint i = queue->len;

  g_array_set_size (queue, queue->len + 1);
  heap = (guint64 *) queue->data;
  for (; i > 0 && heap[(i - 1) / 2] > key; i = (i - 1) / 2)
    heap[i] = heap[(i - 1) / 2];
  heap[i] = key;
}

static guint64
queue_pop (GArray *queue)
{
  guint64 *heap = (guint64 *) queue->data;
  guint n = queue->len - 1;
  guint64 top = heap[0];
  guint64 last = heap[n];
  guint i = 0;

  for (guint child = 1; child < n; child = 2 * i + 1)
    {
      if (child + 1 < n && heap[child + 1] < heap[child])
        child++;
      if (last <= heap[child])
        break;
      heap[i] = heap[child];
      i = child;
    }
  heap[i] = last;
  g_array_set_size (queue, n);
  return top;
}

/* Looks up the merge of the symbol at place with the one after it. */
static void
queue_pair (ZimBpe        *self,
            ZimBpeScratch *scratch,
            guint32        place)
{
  Symbol *symbols = (Symbol *) scratch->symbols->data;
  Symbol *symbol = &symbols[place];
  Merge *merge;

  symbol->rank = NO_RANK;
  if (symbol->next == NO_SYMBOL)
    return;
  merge = find_slot (self, symbol->id, symbols[symbol->next].id);
  if (merge->rank == NO_RANK)
    return;
  symbol->rank = merge->rank;
  symbol->merged = merge->result;
  queue_push (scratch->queue, (guint64) merge->rank << 32 | place);
}

static void
merge_at (ZimBpe        *self,
          ZimBpeScratch *scratch,
          guint32        place)
{
  Symbol *symbols = (Symbol *) scratch->symbols->data;
  Symbol *symbol = &symbols[place];
  Symbol *gone = &symbols[symbol->next];

  symbol->id = symbol->merged;
  symbol->next = gone->next;
  gone->rank = NO_RANK;
  if (symbol->next != NO_SYMBOL)
    symbols[symbol->next].previous = place;
  queue_pair (self, scratch, place);
  if (symbol->previous != NO_SYMBOL)
    queue_pair (self, scratch, symbol->previous);
}

static void
start_symbols (ZimBpe        *self,
               const char    *word,
               guint          length,
               ZimBpeScratch *scratch)
{
  Symbol *symbols;

  if (scratch->symbols == NULL)
    {
      scratch->symbols = g_array_new (FALSE, FALSE, sizeof (Symbol));
      scratch->queue = g_array_new (FALSE, FALSE, sizeof (guint64));
    }
  g_array_set_size (scratch->symbols, length);
  g_array_set_size (scratch->queue, 0);
  symbols = (Symbol *) scratch->symbols->data;
  for (guint i = 0; i < length; i++)
    symbols[i] = (Symbol) { .id = self->bytes[(guint8) word[i]],
                            .previous = i > 0 ? i - 1 : NO_SYMBOL,
                            .next = i + 1 < length ? i + 1 : NO_SYMBOL };
  for (guint i = 0; i < length; i++)
    queue_pair (self, scratch, i);
}

void
zim_bpe_encode (ZimBpe        *self,
                const char    *word,
                gsize          length,
                ZimBpeScratch *scratch,
                GArray        *ids)
{
  const Symbol *symbols;

  g_return_if_fail (length > 0 && length < NO_SYMBOL);

  start_symbols (self, word, (guint) length, scratch);
  symbols = (const Symbol *) scratch->symbols->data;
  while (scratch->queue->len > 0)
    {
      guint64 key = queue_pop (scratch->queue);
      guint32 place = (guint32) key;

      /* A pair that has changed since it was queued is there under its new rank, or gone. */
      if (symbols[place].rank == key >> 32)
        merge_at (self, scratch, place);
    }
  for (guint32 i = 0; i != NO_SYMBOL; i = symbols[i].next)
    g_array_append_val (ids, symbols[i].id);
}

void
zim_bpe_scratch_clear (ZimBpeScratch *scratch)
{
  g_clear_pointer (&scratch->symbols, g_array_unref);
  g_clear_pointer (&scratch->queue, g_array_unref);
}
