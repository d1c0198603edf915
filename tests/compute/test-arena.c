/* test-arena.c: where temporaries lie: apart from one another, tightly, and as planned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "op-devices.h"
#include "op-setup.h"

#include "compute/zim-arena-private.h"

/* Lifetimes */

static gsize
most_alive (const ZimLifetime *lifetimes,
            guint              n)
{
  gsize most = 0;

  for (guint i = 0; i < n; i++)
    {
      gsize alive = 0; /* when the i-th begins */

      for (guint j = 0; j < n; j++)
        if (lifetimes[j].first <= lifetimes[i].first && lifetimes[j].last >= lifetimes[i].first)
          alive += lifetimes[j].size;
      most = MAX (most, alive);
    }
  return most;
}

static void
assert_apart (const ZimLifetime *a,
              const ZimLifetime *b)
{
  if (a->first <= b->last && b->first <= a->last && a->size > 0 && b->size > 0)
    g_assert_true (a->offset + a->size <= b->offset || b->offset + b->size <= a->offset);
}

static void
check_lifetimes (ZimLifetime *lifetimes,
                 guint        n)
{
  g_autofree ZimLifetime *given = g_memdup2 (lifetimes, n * sizeof *lifetimes);
  gsize total = zim_lifetimes_place (lifetimes, n, 0), end = 0;

  for (guint i = 0; i < n; i++)
    {
      g_assert_cmpuint (lifetimes[i].first, ==, given[i].first);
      g_assert_cmpuint (lifetimes[i].last, ==, given[i].last);
      g_assert_cmpuint (lifetimes[i].size, >=, given[i].size);
      g_assert_cmpuint (lifetimes[i].size, <, given[i].size + ZIM_ARENA_ALIGNMENT);
      g_assert_cmpuint (lifetimes[i].offset % ZIM_ARENA_ALIGNMENT, ==, 0);
      end = MAX (end, lifetimes[i].offset + lifetimes[i].size);
      for (guint j = 0; j < i; j++)
        assert_apart (&lifetimes[i], &lifetimes[j]);
    }
  g_assert_cmpuint (total, ==, end);
  g_assert_cmpuint (total, >=, most_alive (lifetimes, n));
}

static void
test_random_lifetimes (void)
{
  for (guint round = 0; round < 500; round++)
    {
      guint n = g_test_rand_int_range (1, 80), span = g_test_rand_int_range (1, 100);
      g_autofree ZimLifetime *lifetimes = g_new0 (ZimLifetime, n);

      for (guint i = 0; i < n; i++)
        {
          lifetimes[i].size = g_test_rand_int_range (0, 100) * g_test_rand_int_range (1, 1000);
          lifetimes[i].first = g_test_rand_int_range (0, span);
          lifetimes[i].last = g_test_rand_int_range (lifetimes[i].first, MIN (span, lifetimes[i].first + 20) + 1);
        }
      check_lifetimes (lifetimes, n);
    }
}

/* What is never alive together lies in one place, and what always is has none to spare. */
static void
test_tight_lifetimes (void)
{
  ZimLifetime one_by_one[] = { { 256, 0, 0 }, { 512, 1, 1 }, { 100, 2, 2 } };
  ZimLifetime together[] = { { 256, 0, 3 }, { 512, 0, 3 }, { 100, 0, 3 } };
  ZimLifetime nothing[] = { { 0, 0, 0 } };

  g_assert_cmpuint (zim_lifetimes_place (one_by_one, 3, 0), ==, 512);
  g_assert_cmpuint (zim_lifetimes_place (together, 3, 0), ==, 1024);
  g_assert_cmpuint (zim_lifetimes_place (nothing, 1, 0), ==, 0);
  g_assert_cmpuint (zim_lifetimes_place (NULL, 0, 0), ==, 0);
}

/* Plans of programs, checked against lifetimes found here */

typedef struct {
  guint first, last;
} Use;

static Use *
find_uses (ZimProgram *program)
{
  GPtrArray *ops = zim_program_get_ops (program), *tensors = zim_program_get_tensors (program);
  Use *uses = g_new (Use, tensors->len);

  for (guint id = 0; id < tensors->len; id++)
    {
      uses[id] = (Use) { G_MAXUINT, 0 };
      for (guint i = 0; i < ops->len; i++)
        {
          const ZimOp *op = g_ptr_array_index (ops, i);
          gboolean used = op->out->base->id == id;

          for (guint j = 0; j < op->n_sources; j++)
            used |= op->sources[j]->base->id == id;
          if (used)
            uses[id] = (Use) { MIN (uses[id].first, i), i };
        }
      if (((const ZimTensor *) g_ptr_array_index (tensors, id))->place == ZIM_PLACE_OUTPUT)
        uses[id].last = ops->len - 1;
    }
  return uses;
}

static gboolean
is_alive (const Use *use,
          guint      at)
{
  return use->first <= at && at <= use->last;
}

/* The one case in which two tensors may lie in one place: the first source of an operation that goes element by element
 * or row by row dies where the result begins. */
static gboolean
may_share (const ZimOp     *op,
           const Use       *uses,
           guint            at,
           const ZimTensor *a,
           const ZimTensor *b)
{
  const ZimTensor *x = op->n_sources > 0 ? op->sources[0]->base : NULL, *out = op->out->base;

  return ((a == x && b == out) || (a == out && b == x)) && x->place == ZIM_PLACE_TEMPORARY && uses[x->id].last == at &&
         uses[out->id].first == at && op->kind != ZIM_OP_LINEAR && op->kind != ZIM_OP_ATTENTION &&
         op->kind != ZIM_OP_CONV2D && op->kind != ZIM_OP_PERMUTE && op->kind != ZIM_OP_COPY;
}

static gsize
aligned_size (const ZimTensor *tensor)
{
  return (zim_tensor_size (tensor) + ZIM_ARENA_ALIGNMENT - 1) / ZIM_ARENA_ALIGNMENT * ZIM_ARENA_ALIGNMENT;
}

/* Checks what is alive at one operation; returns how much that is. */
static gsize
check_op_plan (ZimProgram         *program,
               const ZimArenaPlan *plan,
               const Use          *uses,
               guint               at)
{
  GPtrArray *tensors = zim_program_get_tensors (program);
  const ZimOp *op = g_ptr_array_index (zim_program_get_ops (program), at);
  gsize alive = 0;

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *a = g_ptr_array_index (tensors, i);
      gboolean shares = FALSE;

      if (plan->tensors[i] == G_MAXSIZE || !is_alive (&uses[i], at))
        continue;
      g_assert_cmpuint (plan->tensors[i] + zim_tensor_size (a), <=, plan->size);
      for (guint j = 0; j < i; j++)
        {
          const ZimTensor *b = g_ptr_array_index (tensors, j);

          if (plan->tensors[j] == G_MAXSIZE || !is_alive (&uses[j], at))
            continue;
          if (plan->tensors[i] == plan->tensors[j] && may_share (op, uses, at, a, b))
            shares = TRUE;
          else
            g_assert_true (plan->tensors[i] + zim_tensor_size (a) <= plan->tensors[j] ||
                           plan->tensors[j] + zim_tensor_size (b) <= plan->tensors[i]);
        }
      alive += shares ? 0 : aligned_size (a);
    }
  return alive;
}

static gsize
test_scratch (const ZimOp *op,
              gpointer     user_data)
{
  return user_data != NULL ? 4096 * (1 + op->kind) : 0;
}

/* The plan's size over what has to be alive at once */
static double
check_plan (ZimProgram *program,
            gboolean    with_scratch)
{
  gpointer user_data = GINT_TO_POINTER (with_scratch);
  g_autoptr(ZimArenaPlan) plan = zim_arena_plan_new (program, NULL, test_scratch, user_data, 0);
  g_autofree Use *uses = find_uses (program);
  GPtrArray *ops = zim_program_get_ops (program), *tensors = zim_program_get_tensors (program);
  gsize most = 0;

  for (guint i = 0; i < tensors->len; i++)
    {
      const ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (tensor->base == tensor && (tensor->place == ZIM_PLACE_INPUT || tensor->place == ZIM_PLACE_STATE))
        g_assert_cmpuint (plan->tensors[i], ==, G_MAXSIZE);
    }
  for (guint i = 0; i < ops->len; i++)
    {
      gsize scratch = test_scratch (g_ptr_array_index (ops, i), user_data);

      most = MAX (most, check_op_plan (program, plan, uses, i) + scratch);
      for (guint j = 0; j < tensors->len; j++)
        if (scratch > 0 && plan->tensors[j] != G_MAXSIZE && is_alive (&uses[j], i))
          g_assert_true (plan->scratch[i] + scratch <= plan->tensors[j] ||
                         plan->tensors[j] + zim_tensor_size (g_ptr_array_index (tensors, j)) <= plan->scratch[i]);
    }
  g_assert_cmpuint (plan->size, >=, most);
  return (double) plan->size / most;
}

/* Programs that look like those of the model. The matrices have no numbers: nothing of these runs. */

typedef struct {
  gint64 rows, dim, wide;
  guint  n_heads, n_kv_heads, head_dim;
  guint  n_blocks;
} Sizes;

static ZimTensor *
apply_linear (Setup     *setup,
              ZimTensor *x,
              gint64     n)
{
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 0.1, 2, (const gint64[]) { n, x->cols });

  return zim_program_linear (setup->program, x, &weight, NULL, 1, 1);
}

static ZimTensor *
build_block (Setup       *setup,
             const Sizes *s,
             ZimTensor   *x,
             ZimTensor   *modulation,
             ZimTensor  **tables,
             guint        number)
{
  ZimProgram *p = setup->program;
  gint64 q_cols = s->n_heads * s->head_dim, kv_cols = s->n_kv_heads * s->head_dim;
  const ZimWeight *norm = setup_vector (setup, ZIM_DTYPE_BF16, 1, s->head_dim);
  ZimTensor *h, *q, *k, *v, *gate_up;

  h = zim_program_rms_norm (p, x, NULL, 0, 1e-5f, modulation, NULL, 0);
  h = apply_linear (setup, h, q_cols + 2 * kv_cols);
  q = zim_program_rms_norm (p, zim_program_cols (p, h, 0, q_cols), norm, s->head_dim, 1e-5f, NULL, NULL, 0);
  k = zim_program_rms_norm (p, zim_program_cols (p, h, q_cols, kv_cols), norm, s->head_dim, 1e-5f, NULL, NULL, 0);
  v = zim_program_cols (p, h, q_cols + kv_cols, kv_cols);
  q = zim_program_rope (p, q, tables[0], tables[1], s->head_dim, TRUE);
  k = zim_program_rope (p, k, tables[0], tables[1], s->head_dim, TRUE);
  h = zim_program_attention (p, q, k, v, s->n_heads, s->n_kv_heads, s->head_dim, FALSE, NULL, 0);
  zim_program_name (p, h, "%u.attention", number);
  h = zim_program_rms_norm (p, apply_linear (setup, h, s->dim), NULL, 0, 1e-5f, modulation, NULL, 0);
  x = zim_program_add (p, x, h);
  h = zim_program_rms_norm (p, x, NULL, 0, 1e-5f, modulation, NULL, 0);
  zim_program_name (p, h, "%u.norm", number);
  gate_up = apply_linear (setup, h, 2 * s->wide);
  h = zim_program_swiglu (p, zim_program_cols (p, gate_up, 0, s->wide),
                          zim_program_cols (p, gate_up, s->wide, s->wide));
  h = zim_program_rms_norm (p, apply_linear (setup, h, s->dim), NULL, 0, 1e-5f, modulation, NULL, 0);
  x = zim_program_add (p, x, h);
  zim_program_name (p, x, "%u", number);
  return x;
}

static void
build_transformer (Setup       *setup,
                   const Sizes *s)
{
  ZimProgram *p = setup->program;
  ZimTensor *x = setup_input (setup, s->rows, s->dim, 1), *m = setup_input (setup, 1, s->dim, 1);
  ZimTensor *tables[2] = { setup_input (setup, s->rows, s->head_dim / 2, 1),
                          setup_input (setup, s->rows, s->head_dim / 2, 1) };

  m = zim_program_affine (p, zim_program_tanh (p, apply_linear (setup, m, s->dim)), 1, 1);
  for (guint i = 0; i < s->n_blocks; i++)
    x = build_block (setup, s, x, m, tables, i);
  setup_output (setup, zim_program_layer_norm (p, x, 1e-6f, m, NULL, 0));
}

static ZimTensor *
apply_conv (Setup     *setup,
            ZimTensor *x,
            gint64     side,
            gint64     out,
            gboolean   upsample)
{
  const ZimWeight *weight = setup_weight (setup, ZIM_DTYPE_BF16, 0, 0.1, 4, (const gint64[]) { out, x->cols, 3, 3 });

  return zim_program_conv2d (setup->program, x, weight, NULL, side, side, 1, 1, upsample);
}

static void
build_decoder (Setup  *setup,
               gint64  side,
               gint64  channels)
{
  ZimProgram *p = setup->program;
  ZimTensor *x = apply_conv (setup, setup_input (setup, side * side, 16, 1), side, channels, FALSE), *h;

  for (guint level = 0; level < 3; level++)
    {
      for (guint i = 0; i < 2; i++)
        {
          h = zim_program_group_norm (p, x, NULL, NULL, 4, 1e-6f, TRUE);
          h = apply_conv (setup, h, side, channels, FALSE);
          h = zim_program_group_norm (p, h, NULL, NULL, 4, 1e-6f, TRUE);
          x = zim_program_add (p, x, apply_conv (setup, h, side, channels, FALSE));
          zim_program_name (p, x, "%u.%u", level, i);
        }
      x = apply_conv (setup, x, side, channels, TRUE);
      side *= 2;
    }
  x = apply_conv (setup, zim_program_group_norm (p, x, NULL, NULL, 4, 1e-6f, TRUE), side, 3, FALSE);
  setup_output (setup, zim_program_affine (p, x, 0.5f, 0.5f));
}

static ZimBackend *
any_backend (void)
{
  return device_open (devices_get (&(guint) { 0 }), 2);
}

static const Sizes small = { 37, 48, 80, 3, 1, 16, 3 };

/* Shapes in the proportions of the model's, an eighth of its sizes each way. */
static void
test_tight_transformer (void)
{
  static const Sizes sizes = { 520, 480, 1280, 4, 4, 120, 6 };
  g_autoptr(Setup) setup = setup_new ();
  double ratio;

  setup_begin (setup, any_backend ());
  build_transformer (setup, &sizes);
  ratio = check_plan (setup->program, FALSE);
  g_test_message ("%.3f times the least", ratio);
  g_assert_cmpfloat (ratio, <=, 1.3);
  g_assert_cmpfloat (check_plan (setup->program, TRUE), <=, 1.3);
}

static void
test_tight_decoder (void)
{
  g_autoptr(Setup) setup = setup_new ();
  double ratio;

  setup_begin (setup, any_backend ());
  build_decoder (setup, 16, 64);
  ratio = check_plan (setup->program, FALSE);
  g_test_message ("%.3f times the least", ratio);
  g_assert_cmpfloat (ratio, <=, 1.3);
  g_assert_cmpfloat (check_plan (setup->program, TRUE), <=, 1.3);
}

/* Sharing in place */

static ZimTensor *
make_temporary (Setup *setup)
{
  ZimTensor *x = zim_program_empty (setup->program, 9, 20);

  zim_program_copy_to (setup->program, setup_input (setup, 9, 20, 1), x);
  return x;
}

static gsize
place_of (const ZimArenaPlan *plan,
          const ZimTensor    *tensor)
{
  return plan->tensors[tensor->base->id];
}

static void
test_chain_shares (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimArenaPlan) plan = NULL;
  ZimTensor *x, *y, *z, *out;

  setup_begin (setup, any_backend ());
  x = make_temporary (setup);
  y = zim_program_silu (setup->program, x);
  z = zim_program_affine (setup->program, zim_program_rms_norm (setup->program, y, NULL, 0, 1e-5f, NULL, NULL, 0),
                          2, 1);
  out = zim_program_tanh (setup->program, z);
  setup_output (setup, out);
  plan = zim_arena_plan_new (setup->program, NULL, test_scratch, NULL, 0);
  g_assert_cmpuint (plan->size, ==, aligned_size (x));
  g_assert_cmpuint (place_of (plan, x), ==, place_of (plan, out));
  check_plan (setup->program, TRUE);
}

/* Of each of these the first source of the second operation is needed later, in some way. */
static void
test_used_later (void)
{
  for (guint way = 0; way < 4; way++)
    {
      g_autoptr(Setup) setup = setup_new ();
      g_autoptr(ZimArenaPlan) plan = NULL;
      const ZimOp *op;
      ZimTensor *x, *y;

      setup_begin (setup, any_backend ());
      x = make_temporary (setup);
      y = zim_program_silu (setup->program, x);
      if (way == 0)
        y = zim_program_add (setup->program, y, x);
      else if (way == 1)
        y = zim_program_add (setup->program, zim_program_cols (setup->program, y, 0, 8),
                             zim_program_cols (setup->program, x, 8, 8));
      else if (way == 2)
        setup_output (setup, x);
      else
        setup_output (setup, zim_program_rows (setup->program, x, 2, 3));
      setup_output (setup, y);
      plan = zim_arena_plan_new (setup->program, NULL, test_scratch, NULL, 0);
      op = g_ptr_array_index (zim_program_get_ops (setup->program), 1);
      g_assert_cmpuint (place_of (plan, x), !=, place_of (plan, op->out));
      check_plan (setup->program, TRUE);
    }
}

static gsize
no_scratch (const ZimOp *op,
            gpointer     user_data)
{
  return 0;
}

/* Half of what the second tensor's type has */
static gsize
halve_second (const ZimTensor *tensor,
              gpointer         user_data)
{
  return zim_dtype_size (tensor->dtype) / (tensor == user_data ? 2 : 1);
}

/* What is smaller takes less, and no place of what is larger: its first rows would be written over others' numbers. */
static void
test_smaller_elements (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimArenaPlan) plan = NULL;
  ZimTensor *x, *y, *z;

  setup_begin (setup, any_backend ());
  x = make_temporary (setup);
  y = zim_program_silu (setup->program, x);
  z = zim_program_tanh (setup->program, y);
  setup_output (setup, z);
  plan = zim_arena_plan_new (setup->program, halve_second, no_scratch, y, 0);
  g_assert_cmpuint (place_of (plan, x), !=, place_of (plan, y));
  g_assert_cmpuint (place_of (plan, y), !=, place_of (plan, z));
  g_assert_cmpuint (plan->size, ==, aligned_size (x) + (aligned_size (y) / 2 + 255) / 256 * 256);
}

/* Random programs give the same bits whether everything is kept in a place of its own or not. */

#define POOL 6

typedef struct {
  Setup     *setup;
  ZimTensor *pool[POOL]; /* [8, 24] */
  GRand     *rand;
} Random;

static ZimTensor *
pick_tensor (Random *self)
{
  return self->pool[g_rand_int_range (self->rand, 0, POOL)];
}

static ZimTensor *
copy_in_parts (Random *self)
{
  ZimProgram *p = self->setup->program;
  ZimTensor *all = zim_program_empty (p, 8, 24);
  ZimTensor *a = pick_tensor (self), *b = pick_tensor (self);

  zim_program_copy_to (p, zim_program_cols (p, a, 3, 10), zim_program_cols (p, all, 0, 10));
  zim_program_copy_to (p, zim_program_rows (p, zim_program_cols (p, b, 0, 14), 2, 6),
                       zim_program_rows (p, zim_program_cols (p, all, 10, 14), 0, 6));
  zim_program_copy_to (p, zim_program_rows (p, zim_program_cols (p, a, 10, 14), 0, 2),
                       zim_program_rows (p, zim_program_cols (p, all, 10, 14), 6, 2));
  return all;
}

static ZimTensor *
random_product (Random *self,
                guint   which)
{
  ZimProgram *p = self->setup->program;

  if (which == 0)
    return apply_linear (self->setup, pick_tensor (self), 24);
  if (which == 1)
    return zim_program_attention (p, pick_tensor (self), pick_tensor (self), pick_tensor (self), 2, 2, 12, TRUE,
                                  NULL, 0);
  return zim_program_permute (p, pick_tensor (self), 3, (const gint64[]) { 8, 6, 4 }, (const guint[]) { 2, 0, 1 },
                              8, 24);
}

static ZimTensor *
random_op (Random *self)
{
  ZimProgram *p = self->setup->program;
  ZimTensor *x = pick_tensor (self), *y = pick_tensor (self);
  guint which = g_rand_int_range (self->rand, 0, 13);

  switch (which)
    {
    case 0:
      return zim_program_silu (p, x);
    case 1:
      return zim_program_tanh (p, x);
    case 2:
      return zim_program_affine (p, x, 0.7f, 0.1f);
    case 3:
    case 4:
      return zim_program_add (p, x, y);
    case 5:
      return zim_program_swiglu (p, x, y);
    case 6: /* whose scale may be a row of x itself */
      return zim_program_rms_norm (p, x, NULL, 12, 1e-3f, zim_program_rows (p, y, 3, 1), NULL, 0);
    case 7:
      return zim_program_layer_norm (p, x, 1e-3f, zim_program_rows (p, y, 0, 1), NULL, 0);
    case 8:
      return zim_program_group_norm (p, x, NULL, NULL, 4, 1e-3f, TRUE);
    case 9:
      return copy_in_parts (self);
    default:
      return random_product (self, which - 10);
    }
}

static void
build_random (Setup    *setup,
              guint32   seed,
              gboolean  keep)
{
  Random random = { setup, .rand = g_rand_new_with_seed (seed) };
  guint n = g_rand_int_range (random.rand, 3, 40);

  zim_program_set_keep_named (setup->program, keep);
  for (guint i = 0; i < POOL; i++)
    {
      random.pool[i] = zim_program_empty (setup->program, 8, 24);
      zim_program_copy_to (setup->program, setup_input (setup, 8, 24, 1), random.pool[i]);
      zim_program_name (setup->program, random.pool[i], "start %u", i);
    }
  for (guint i = 0; i < n; i++)
    {
      guint at = g_rand_int_range (random.rand, 0, POOL);

      random.pool[at] = random_op (&random);
      zim_program_name (setup->program, random.pool[at], "step %u", i);
    }
  for (guint i = 0; i < POOL; i += 2)
    setup_output (setup, random.pool[i]);
  g_rand_free (random.rand);
}

static void
test_random_programs (void)
{
  for (guint round = 0; round < 150; round++)
    {
      g_autoptr(Setup) setup = setup_new ();
      guint32 seed = g_test_rand_int ();
      g_autofree float *kept = NULL;

      for (gboolean keep = TRUE; keep >= FALSE; keep--)
        {
          g_autoptr(ZimExecutable) executable = NULL;

          setup_begin (setup, any_backend ());
          build_random (setup, seed, keep);
          check_plan (setup->program, TRUE);
          executable = setup_compile (setup, ZIM_PRECISION_F32);
          g_assert_true (setup_run (setup, executable, NULL, NULL));
          for (guint i = 0; i < setup->outputs->len; i++)
            {
              if (keep && i == 0)
                kept = g_new (float, setup->outputs->len * 8 * 24);
              if (keep)
                memcpy (kept + i * 8 * 24, setup_result (setup, i), 8 * 24 * sizeof *kept);
              else
                g_assert_cmpmem (kept + i * 8 * 24, 8 * 24 * sizeof *kept, setup_result (setup, i),
                                 8 * 24 * sizeof *kept);
            }
        }
    }
}

/* Named tensors */

static void
dump_cb (const char  *name,
         gint64       rows,
         gint64       cols,
         const float *data,
         gpointer     user_data)
{
  g_assert_false (g_hash_table_contains (user_data, name));
  g_hash_table_insert (user_data, g_strdup (name), g_bytes_new (data, rows * cols * sizeof *data));
}

static GHashTable *
run_small (Setup    *setup,
           gboolean  keep,
           gsize    *arena_size)
{
  GHashTable *dumped = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  g_autoptr(ZimExecutable) executable = NULL;

  setup_begin (setup, any_backend ());
  zim_program_set_keep_named (setup->program, keep);
  build_transformer (setup, &small);
  executable = setup_compile (setup, ZIM_PRECISION_BF16);
  g_assert_true (setup_run (setup, executable, NULL, NULL));
  zim_executable_dump (executable, dump_cb, dumped);
  *arena_size = zim_executable_get_arena_size (executable);
  return dumped;
}

static void
test_keep_named (void)
{
  g_autoptr(Setup) setup = setup_new ();
  gsize arena_size, kept_size;
  g_autoptr(GHashTable) plain = run_small (setup, FALSE, &arena_size);
  g_autoptr(GHashTable) kept = run_small (setup, TRUE, &kept_size);

  g_assert_cmpuint (g_hash_table_size (plain), ==, 1);
  g_assert_cmpuint (g_hash_table_size (kept), ==, 1 + 3 * small.n_blocks);
  g_assert_true (g_bytes_equal (g_hash_table_lookup (plain, "output 0"), g_hash_table_lookup (kept, "output 0")));
  g_assert_cmpuint (g_bytes_get_size (g_hash_table_lookup (kept, "1.attention")), ==,
                    small.rows * small.n_heads * small.head_dim * sizeof (float));
  g_assert_cmpuint (g_bytes_get_size (g_hash_table_lookup (kept, "2.norm")), ==,
                    small.rows * small.dim * sizeof (float));
  g_assert_cmpuint (kept_size, >, arena_size);
}

/* A kept tensor has what it had when it was made: the output of the program that ends there. */
static void
test_kept_values (void)
{
  g_autoptr(Setup) setup = setup_new (), shorter = setup_new ();
  gsize size;
  g_autoptr(GHashTable) kept = run_small (setup, TRUE, &size);
  g_autoptr(ZimExecutable) executable = NULL;
  GPtrArray *tensors;

  setup_begin (shorter, any_backend ());
  zim_program_set_keep_named (shorter->program, TRUE);
  build_transformer (shorter, &small);
  tensors = zim_program_get_tensors (shorter->program);
  zim_program_set_keep_named (shorter->program, FALSE);
  for (guint i = 0; i < tensors->len; i++)
    {
      ZimTensor *tensor = g_ptr_array_index (tensors, i);

      if (g_strcmp0 (tensor->name, "1.norm") == 0)
        setup_output (shorter, tensor);
    }
  g_assert_cmpuint (shorter->outputs->len, ==, 2);
  executable = setup_compile (shorter, ZIM_PRECISION_BF16);
  g_assert_true (setup_run (shorter, executable, NULL, NULL));
  g_assert_cmpmem (g_bytes_get_data (g_hash_table_lookup (kept, "1.norm"), NULL),
                   g_bytes_get_size (g_hash_table_lookup (kept, "1.norm")), setup_result (shorter, 1),
                   small.rows * small.dim * sizeof (float));
}

/* Reserving: what a backend is asked for is what was planned. */

static gboolean (*real_reserve) (ZimBackend *, gsize, GError **);
static gsize largest_reserve;
static guint n_reserves;

static gboolean
spy_reserve (ZimBackend *self,
             gsize       size,
             GError    **error)
{
  largest_reserve = MAX (largest_reserve, size);
  n_reserves++;
  return real_reserve (self, size, error);
}

static void
test_reserve (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  ZimBackendClass *class;

  setup_begin (setup, any_backend ());
  build_transformer (setup, &small);
  executable = setup_compile (setup, ZIM_PRECISION_BF16);
  class = ZIM_BACKEND_GET_CLASS (setup->backend);
  real_reserve = class->reserve;
  class->reserve = spy_reserve;
  g_assert_true (setup_run (setup, executable, NULL, NULL));
  g_assert_true (setup_run (setup, executable, NULL, NULL));
  class->reserve = real_reserve;
  g_assert_cmpuint (n_reserves, ==, 2);
  g_assert_cmpuint (largest_reserve, ==, zim_executable_get_arena_size (executable));
}

/* More memory than there is is an error, and what was there before stays usable. */
static void
test_reserve_too_much (void)
{
  g_autoptr(Setup) setup = setup_new ();
  g_autoptr(ZimExecutable) executable = NULL;
  g_autoptr(GError) error = NULL;

  setup_begin (setup, any_backend ());
  build_transformer (setup, &small);
  executable = setup_compile (setup, ZIM_PRECISION_F32);
  g_assert_true (setup_run (setup, executable, NULL, NULL));
  g_assert_false (zim_backend_reserve (setup->backend, G_MAXSIZE / 4, &error));
  g_assert_nonnull (error);
  g_assert_true (setup_run (setup, executable, NULL, NULL));
}

/* Nothing lies in two chunks unless it is larger than one. */
static void
test_chunks (void)
{
  ZimLifetime together[] = { { 768, 0, 1 }, { 512, 0, 1 }, { 512, 0, 1 }, { 256, 0, 1 } };
  ZimLifetime large[] = { { 2560, 0, 1 }, { 256, 0, 1 } };

  g_assert_cmpuint (zim_lifetimes_place (together, G_N_ELEMENTS (together), 1024), ==, 2048);
  for (guint i = 0; i < G_N_ELEMENTS (together); i++)
    g_assert_cmpuint (together[i].offset / 1024, ==, (together[i].offset + together[i].size - 1) / 1024);
  g_assert_cmpuint (zim_lifetimes_place (large, G_N_ELEMENTS (large), 1024), ==, 2816);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/arena/lifetimes/random", test_random_lifetimes);
  g_test_add_func ("/arena/lifetimes/tight", test_tight_lifetimes);
  g_test_add_func ("/arena/lifetimes/chunks", test_chunks);
  g_test_add_func ("/arena/tight/transformer", test_tight_transformer);
  g_test_add_func ("/arena/tight/decoder", test_tight_decoder);
  g_test_add_func ("/arena/in-place/chain", test_chain_shares);
  g_test_add_func ("/arena/in-place/used-later", test_used_later);
  g_test_add_func ("/arena/in-place/smaller-elements", test_smaller_elements);
  g_test_add_func ("/arena/in-place/random", test_random_programs);
  g_test_add_func ("/arena/named/same-result", test_keep_named);
  g_test_add_func ("/arena/named/values", test_kept_values);
  g_test_add_func ("/arena/reserve/as-planned", test_reserve);
  g_test_add_func ("/arena/reserve/too-much", test_reserve_too_much);
  status = g_test_run ();
  devices_shutdown ();
  return status;
}
