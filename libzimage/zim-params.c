/* zim-params.c: what to generate
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-params.h"

#include <glib/gi18n-lib.h>
#include <math.h>

#include "zim-enum-types.h"
#include "zim-error.h"

/**
 * ZimParams:
 *
 * What to generate: the prompt, the size, the number of steps, the seed and the rest.
 *
 * Only the prompt has to be set; everything else has a default, and size, steps and guidance take the
 * model’s own unless they are set. Setters accept every value: [method@ZImage.Params.validate] says
 * what is wrong with the whole, and a job that is submitted with wrong parameters fails with that
 * error.
 *
 * A job seals its parameters when it is submitted. A sealed object never changes again;
 * [method@ZImage.Params.copy] gives one that can be changed.
 *
 * Until it is sealed an object must be used by one thread at a time. A sealed one can be read from
 * any thread.
 */

#define SIZE_MULTIPLE 16 /* pixels: 8 of the autoencoder, 2 of the transformer's patches */
#define GUIDANCE_MAX 100.0
#define MAX_TOKENS_MAX 4096

struct _ZimParams
{
  GObject   parent_instance;

  char     *prompt;
  char     *negative_prompt;
  int       width;             /* pixels, 0 = the model's */
  int       height;            /* pixels, 0 = the model's */
  int       steps;             /* 0 = the model's */
  gint64    seed;
  int       n_images;
  double    guidance;          /* diffusers' convention; -1 = the model's, 0 = off */
  double    cfg_normalization;
  double    cfg_truncation;
  int       max_tokens;
  ZimRng    rng;
  gboolean  sealed;
};

G_DEFINE_FINAL_TYPE (ZimParams, zim_params, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_PROMPT,
  PROP_NEGATIVE_PROMPT,
  PROP_WIDTH,
  PROP_HEIGHT,
  PROP_STEPS,
  PROP_SEED,
  PROP_N_IMAGES,
  PROP_GUIDANCE,
  PROP_CFG,
  PROP_CFG_NORMALIZATION,
  PROP_CFG_TRUNCATION,
  PROP_MAX_TOKENS,
  PROP_RNG,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_params_finalize (GObject *object)
{
  ZimParams *self = ZIM_PARAMS (object);

  g_free (self->prompt);
  g_free (self->negative_prompt);

  G_OBJECT_CLASS (zim_params_parent_class)->finalize (object);
}

static void
zim_params_get_property (GObject    *object,
                         guint       prop_id,
                         GValue     *value,
                         GParamSpec *pspec)
{
  ZimParams *self = ZIM_PARAMS (object);

  switch (prop_id)
    {
    case PROP_PROMPT:
      g_value_set_string (value, self->prompt);
      break;
    case PROP_NEGATIVE_PROMPT:
      g_value_set_string (value, self->negative_prompt);
      break;
    case PROP_WIDTH:
      g_value_set_int (value, self->width);
      break;
    case PROP_HEIGHT:
      g_value_set_int (value, self->height);
      break;
    case PROP_STEPS:
      g_value_set_int (value, self->steps);
      break;
    case PROP_SEED:
      g_value_set_int64 (value, self->seed);
      break;
    case PROP_N_IMAGES:
      g_value_set_int (value, self->n_images);
      break;
    case PROP_GUIDANCE:
      g_value_set_double (value, self->guidance);
      break;
    case PROP_CFG:
      g_value_set_double (value, zim_params_get_cfg (self));
      break;
    case PROP_CFG_NORMALIZATION:
      g_value_set_double (value, self->cfg_normalization);
      break;
    case PROP_CFG_TRUNCATION:
      g_value_set_double (value, self->cfg_truncation);
      break;
    case PROP_MAX_TOKENS:
      g_value_set_int (value, self->max_tokens);
      break;
    case PROP_RNG:
      g_value_set_enum (value, self->rng);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_params_set_property (GObject      *object,
                         guint         prop_id,
                         const GValue *value,
                         GParamSpec   *pspec)
{
  ZimParams *self = ZIM_PARAMS (object);

  switch (prop_id)
    {
    case PROP_PROMPT:
      zim_params_set_prompt (self, g_value_get_string (value));
      break;
    case PROP_NEGATIVE_PROMPT:
      zim_params_set_negative_prompt (self, g_value_get_string (value));
      break;
    case PROP_WIDTH:
      zim_params_set_width (self, g_value_get_int (value));
      break;
    case PROP_HEIGHT:
      zim_params_set_height (self, g_value_get_int (value));
      break;
    case PROP_STEPS:
      zim_params_set_steps (self, g_value_get_int (value));
      break;
    case PROP_SEED:
      zim_params_set_seed (self, g_value_get_int64 (value));
      break;
    case PROP_N_IMAGES:
      zim_params_set_n_images (self, g_value_get_int (value));
      break;
    case PROP_GUIDANCE:
      zim_params_set_guidance (self, g_value_get_double (value));
      break;
    case PROP_CFG:
      zim_params_set_cfg (self, g_value_get_double (value));
      break;
    case PROP_CFG_NORMALIZATION:
      zim_params_set_cfg_normalization (self, g_value_get_double (value));
      break;
    case PROP_CFG_TRUNCATION:
      zim_params_set_cfg_truncation (self, g_value_get_double (value));
      break;
    case PROP_MAX_TOKENS:
      zim_params_set_max_tokens (self, g_value_get_int (value));
      break;
    case PROP_RNG:
      zim_params_set_rng (self, g_value_get_enum (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* The ranges of the properties are those of their types. A narrower one would make GObject clamp a
 * wrong value to a right one without a word, where validate () has to report it; without lax
 * validation it would not even set what is not a number. */

static GParamSpec *
int_property (const char *name,
              int         default_value)
{
  return g_param_spec_int (name, NULL, NULL,
                           G_MININT, G_MAXINT, default_value,
                           G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static GParamSpec *
double_property (const char *name,
                 double      default_value)
{
  return g_param_spec_double (name, NULL, NULL,
                              -INFINITY, INFINITY, default_value,
                              G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS |
                              G_PARAM_LAX_VALIDATION);
}

static GParamSpec *
string_property (const char *name)
{
  return g_param_spec_string (name, NULL, NULL,
                              "",
                              G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
zim_params_class_init (ZimParamsClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = zim_params_finalize;
  object_class->get_property = zim_params_get_property;
  object_class->set_property = zim_params_set_property;

  /**
   * ZimParams:prompt:
   *
   * What the picture shows, in UTF-8. It must not be empty.
   */
  properties[PROP_PROMPT] = string_property ("prompt");

  /**
   * ZimParams:negative-prompt:
   *
   * What the picture should not show, in UTF-8; empty by default. It has an effect only with guidance.
   */
  properties[PROP_NEGATIVE_PROMPT] = string_property ("negative-prompt");

  /**
   * ZimParams:width:
   *
   * The width in pixels: a multiple of 16 from 16 to 8192, or 0 (the default) for the model’s own.
   */
  properties[PROP_WIDTH] = int_property ("width", 0);

  /**
   * ZimParams:height:
   *
   * The height in pixels: a multiple of 16 from 16 to 8192, or 0 (the default) for the model’s own.
   */
  properties[PROP_HEIGHT] = int_property ("height", 0);

  /**
   * ZimParams:steps:
   *
   * How often the transformer is evaluated: 1 to 1000, or 0 (the default) for the model’s own.
   */
  properties[PROP_STEPS] = int_property ("steps", 0);

  /**
   * ZimParams:seed:
   *
   * What the noise is made from: 0 to 2⁵³ − 1, or −1 (the default) for a random one that is drawn when
   * the job is submitted.
   */
  properties[PROP_SEED] =
    g_param_spec_int64 ("seed", NULL, NULL,
                        G_MININT64, G_MAXINT64, ZIM_SEED_RANDOM,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ZimParams:n-images:
   *
   * How many pictures to make, 1 to 1024; 1 by default. Picture b, counted from 0, uses seed + b.
   */
  properties[PROP_N_IMAGES] = int_property ("n-images", 1);

  /**
   * ZimParams:guidance:
   *
   * How strongly the prompt is preferred over the negative prompt, in the convention of diffusers:
   * 0 is off, up to 100; −1 (the default) takes the model’s own. Guidance makes a step take twice as
   * long.
   */
  properties[PROP_GUIDANCE] = double_property ("guidance", -1.0);

  /**
   * ZimParams:cfg:
   *
   * The guidance in the other common convention: [property@ZImage.Params:guidance] + 1, so that 1 is
   * off. Values from 0 to 1 turn it off; −1 (the default) takes the model’s own.
   */
  properties[PROP_CFG] = double_property ("cfg", -1.0);

  /**
   * ZimParams:cfg-normalization:
   *
   * How many times longer than the prediction without guidance the guided one may be, 0 to 100; 0 (the
   * default) does not limit it.
   */
  properties[PROP_CFG_NORMALIZATION] = double_property ("cfg-normalization", 0.0);

  /**
   * ZimParams:cfg-truncation:
   *
   * The part of the schedule, 0 to 1, after which steps run without guidance; 1 (the default) never
   * leaves it out.
   */
  properties[PROP_CFG_TRUNCATION] = double_property ("cfg-truncation", 1.0);

  /**
   * ZimParams:max-tokens:
   *
   * How many tokens of the prompt are used, 1 to 4096; 512 by default. What is longer is cut, and the
   * job says so in [property@ZImage.Job:warning].
   */
  properties[PROP_MAX_TOKENS] = int_property ("max-tokens", 512);

  /**
   * ZimParams:rng:
   *
   * Which generator turns the seed into noise.
   */
  properties[PROP_RNG] =
    g_param_spec_enum ("rng", NULL, NULL,
                       ZIM_TYPE_RNG, ZIM_RNG_CPU,
                       G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_params_init (ZimParams *self)
{
  self->prompt = g_strdup ("");
  self->negative_prompt = g_strdup ("");
  self->seed = ZIM_SEED_RANDOM;
  self->n_images = 1;
  self->guidance = -1.0;
  self->cfg_truncation = 1.0;
  self->max_tokens = 512;
  self->rng = ZIM_RNG_CPU;
}

static void
set_string (ZimParams   *self,
            char       **field,
            const char  *value,
            guint        prop_id)
{
  if (value == NULL)
    value = "";
  if (g_str_equal (*field, value))
    return;

  g_free (*field);
  *field = g_strdup (value);
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
}

static void
set_int (ZimParams *self,
         int       *field,
         int        value,
         guint      prop_id)
{
  if (*field == value)
    return;

  *field = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
}

static gboolean
set_double (ZimParams *self,
            double    *field,
            double     value,
            guint      prop_id)
{
  if (*field == value)
    return FALSE;

  *field = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
  return TRUE;
}

static gboolean
check_text (const char  *name,
            const char  *text,
            GError     **error)
{
  const char *end;

  if (g_utf8_validate (text, -1, &end))
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” has the byte 0x%02x at offset %td, expected valid UTF-8"),
               name, (guint8) *end, end - text);
  return FALSE;
}

static gboolean
check_not_blank (const char  *name,
                 const char  *text,
                 GError     **error)
{
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (!g_unichar_isspace (g_utf8_get_char (p)))
      return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” is empty, expected a text"), name);
  return FALSE;
}

static gboolean
check_size (const char  *name,
            int          size,
            GError     **error)
{
  if (size == 0)
    return TRUE;
  if (size >= SIZE_MULTIPLE && size <= ZIM_SIZE_MAX && size % SIZE_MULTIPLE == 0)
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” is %d, expected a multiple of %d from %d to %d"),
               name, size, SIZE_MULTIPLE, SIZE_MULTIPLE, ZIM_SIZE_MAX);
  return FALSE;
}

static gboolean
check_int (const char  *name,
           gint64       value,
           gint64       min,
           gint64       max,
           GError     **error)
{
  if (value >= min && value <= max)
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” is %lld, expected a whole number from %lld to %lld"),
               name, (long long) value, (long long) min, (long long) max);
  return FALSE;
}

static gboolean
check_double (const char  *name,
              double       value,
              double       min,
              double       max,
              GError     **error)
{
  if (isfinite (value) && value >= min && value <= max)
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” is %g, expected a number from %g to %g"), name, value, min, max);
  return FALSE;
}

static gboolean
check_rng (ZimRng   rng,
           GError **error)
{
  if (rng == ZIM_RNG_CPU || rng == ZIM_RNG_CUDA)
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” is %d, expected one of: %s"), "rng", (int) rng, "cpu, cuda");
  return FALSE;
}

/* The last picture's seed has to be one that a person can ask for again. */
static gboolean
check_last_seed (ZimParams  *self,
                 GError    **error)
{
  if (self->seed <= ZIM_SEED_MAX - (self->n_images - 1))
    return TRUE;

  g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
               _("Parameter “%s” is %lld, expected at most %lld with %d images"),
               "seed", (long long) self->seed, (long long) ZIM_SEED_MAX - (self->n_images - 1), self->n_images);
  return FALSE;
}

/**
 * zim_params_new:
 * @prompt: (nullable): what the picture shows
 *
 * Creates parameters that have defaults for everything but the prompt.
 *
 * Returns: (transfer full): new parameters
 */
ZimParams *
zim_params_new (const char *prompt)
{
  return g_object_new (ZIM_TYPE_PARAMS, "prompt", prompt, NULL);
}

/**
 * zim_params_copy:
 * @self: parameters
 *
 * Copies parameters. The copy can be changed even if @self is sealed.
 *
 * Returns: (transfer full): the copy
 */
ZimParams *
zim_params_copy (ZimParams *self)
{
  ZimParams *copy;

  g_return_val_if_fail (ZIM_IS_PARAMS (self), NULL);

  copy = zim_params_new (self->prompt);
  zim_params_set_negative_prompt (copy, self->negative_prompt);
  copy->width = self->width;
  copy->height = self->height;
  copy->steps = self->steps;
  copy->seed = self->seed;
  copy->n_images = self->n_images;
  copy->guidance = self->guidance;
  copy->cfg_normalization = self->cfg_normalization;
  copy->cfg_truncation = self->cfg_truncation;
  copy->max_tokens = self->max_tokens;
  copy->rng = self->rng;

  return copy;
}

/**
 * zim_params_validate:
 * @self: parameters
 * @error: return location for an error
 *
 * Checks that everything is in its range. The error is `ZIM_ERROR_INVALID_PARAMS`, and its message
 * names the first field that is not, what it is and what was expected.
 *
 * Returns: %TRUE if a picture can be asked for with these parameters
 */
gboolean
zim_params_validate (ZimParams  *self,
                     GError    **error)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return check_text ("prompt", self->prompt, error) &&
         check_not_blank ("prompt", self->prompt, error) &&
         check_text ("negative-prompt", self->negative_prompt, error) &&
         check_size ("width", self->width, error) &&
         check_size ("height", self->height, error) &&
         check_int ("steps", self->steps, 0, ZIM_STEPS_MAX, error) &&
         check_int ("n-images", self->n_images, 1, ZIM_IMAGES_MAX, error) &&
         check_int ("seed", self->seed, ZIM_SEED_RANDOM, ZIM_SEED_MAX, error) &&
         check_last_seed (self, error) &&
         (self->guidance == -1.0 ||
          check_double ("guidance", self->guidance, 0.0, GUIDANCE_MAX, error)) &&
         check_double ("cfg-normalization", self->cfg_normalization, 0.0, GUIDANCE_MAX, error) &&
         check_double ("cfg-truncation", self->cfg_truncation, 0.0, 1.0, error) &&
         check_int ("max-tokens", self->max_tokens, 1, MAX_TOKENS_MAX, error) &&
         check_rng (self->rng, error);
}

/**
 * zim_params_seal:
 * @self: parameters
 *
 * Makes the parameters unchangeable: setting anything afterwards is a programming error. A job does
 * this when it is submitted.
 */
void
zim_params_seal (ZimParams *self)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));

  self->sealed = TRUE;
}

/**
 * zim_params_is_sealed:
 * @self: parameters
 *
 * Whether the parameters cannot be changed any more.
 *
 * Returns: %TRUE if they are sealed
 */
gboolean
zim_params_is_sealed (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), FALSE);

  return self->sealed;
}

/**
 * zim_params_get_prompt:
 * @self: parameters
 *
 * What the picture shows.
 *
 * Returns: (transfer none): the prompt
 */
const char *
zim_params_get_prompt (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), NULL);

  return self->prompt;
}

/**
 * zim_params_set_prompt:
 * @self: parameters
 * @prompt: (nullable): UTF-8 text; %NULL is the empty text
 *
 * Sets what the picture shows.
 */
void
zim_params_set_prompt (ZimParams  *self,
                       const char *prompt)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_string (self, &self->prompt, prompt, PROP_PROMPT);
}

/**
 * zim_params_get_negative_prompt:
 * @self: parameters
 *
 * What the picture should not show.
 *
 * Returns: (transfer none): the negative prompt, perhaps empty
 */
const char *
zim_params_get_negative_prompt (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), NULL);

  return self->negative_prompt;
}

/**
 * zim_params_set_negative_prompt:
 * @self: parameters
 * @negative_prompt: (nullable): UTF-8 text; %NULL is the empty text
 *
 * Sets what the picture should not show.
 */
void
zim_params_set_negative_prompt (ZimParams  *self,
                                const char *negative_prompt)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_string (self, &self->negative_prompt, negative_prompt, PROP_NEGATIVE_PROMPT);
}

/**
 * zim_params_get_width:
 * @self: parameters
 *
 * The width of the picture.
 *
 * Returns: pixels, or 0 for the model’s default
 */
int
zim_params_get_width (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 0);

  return self->width;
}

/**
 * zim_params_set_width:
 * @self: parameters
 * @width: pixels, a multiple of 16, or 0 for the model’s default
 *
 * Sets the width of the picture.
 */
void
zim_params_set_width (ZimParams *self,
                      int        width)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_int (self, &self->width, width, PROP_WIDTH);
}

/**
 * zim_params_get_height:
 * @self: parameters
 *
 * The height of the picture.
 *
 * Returns: pixels, or 0 for the model’s default
 */
int
zim_params_get_height (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 0);

  return self->height;
}

/**
 * zim_params_set_height:
 * @self: parameters
 * @height: pixels, a multiple of 16, or 0 for the model’s default
 *
 * Sets the height of the picture.
 */
void
zim_params_set_height (ZimParams *self,
                       int        height)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_int (self, &self->height, height, PROP_HEIGHT);
}

/**
 * zim_params_set_size:
 * @self: parameters
 * @width: pixels, a multiple of 16, or 0 for the model’s default
 * @height: pixels, a multiple of 16, or 0 for the model’s default
 *
 * Sets the width and the height of the picture.
 */
void
zim_params_set_size (ZimParams *self,
                     int        width,
                     int        height)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  g_object_freeze_notify (G_OBJECT (self));
  zim_params_set_width (self, width);
  zim_params_set_height (self, height);
  g_object_thaw_notify (G_OBJECT (self));
}

/**
 * zim_params_get_steps:
 * @self: parameters
 *
 * How often the transformer is evaluated.
 *
 * Returns: the number of steps, or 0 for the model’s default
 */
int
zim_params_get_steps (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 0);

  return self->steps;
}

/**
 * zim_params_set_steps:
 * @self: parameters
 * @steps: 1 to 1000, or 0 for the model’s default
 *
 * Sets how often the transformer is evaluated.
 */
void
zim_params_set_steps (ZimParams *self,
                      int        steps)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_int (self, &self->steps, steps, PROP_STEPS);
}

/**
 * zim_params_get_seed:
 * @self: parameters
 *
 * What the noise is made from.
 *
 * Returns: the seed, or −1 for a random one
 */
gint64
zim_params_get_seed (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), ZIM_SEED_RANDOM);

  return self->seed;
}

/**
 * zim_params_set_seed:
 * @self: parameters
 * @seed: 0 to 2⁵³ − 1, or −1 for a random one
 *
 * Sets what the noise is made from. The same seed with the same parameters and model gives the same
 * picture.
 */
void
zim_params_set_seed (ZimParams *self,
                     gint64     seed)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  if (self->seed == seed)
    return;

  self->seed = seed;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_SEED]);
}

/**
 * zim_params_get_n_images:
 * @self: parameters
 *
 * How many pictures to make.
 *
 * Returns: the number of pictures
 */
int
zim_params_get_n_images (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 0);

  return self->n_images;
}

/**
 * zim_params_set_n_images:
 * @self: parameters
 * @n_images: 1 to 1024
 *
 * Sets how many pictures to make. Picture b, counted from 0, uses seed + b.
 */
void
zim_params_set_n_images (ZimParams *self,
                         int        n_images)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_int (self, &self->n_images, n_images, PROP_N_IMAGES);
}

/**
 * zim_params_get_guidance:
 * @self: parameters
 *
 * How strongly the prompt is preferred over the negative prompt, where 0 is off.
 *
 * Returns: the guidance, or −1 for the model’s default
 */
double
zim_params_get_guidance (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), -1.0);

  return self->guidance;
}

/**
 * zim_params_set_guidance:
 * @self: parameters
 * @guidance: 0 (off) to 100, or −1 for the model’s default
 *
 * Sets how strongly the prompt is preferred over the negative prompt.
 */
void
zim_params_set_guidance (ZimParams *self,
                         double     guidance)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  g_object_freeze_notify (G_OBJECT (self));
  if (set_double (self, &self->guidance, guidance, PROP_GUIDANCE))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_CFG]);
  g_object_thaw_notify (G_OBJECT (self));
}

/* 4.1 - 1 is not 3.1 in binary. Nine decimals are far finer than any guidance and make both views show
 * what was typed. */
static double
shift_guidance (double value,
                double by)
{
  if (!isfinite (value) || fabs (value) > 1e6)
    return value + by;

  return round ((value + by) * 1e9) / 1e9;
}

/**
 * zim_params_get_cfg:
 * @self: parameters
 *
 * The guidance in the convention where 1 is off.
 *
 * Returns: [property@ZImage.Params:guidance] + 1, or −1 for the model’s default
 */
double
zim_params_get_cfg (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), -1.0);

  if (self->guidance < 0.0)
    return self->guidance;

  return shift_guidance (self->guidance, 1.0);
}

/**
 * zim_params_set_cfg:
 * @self: parameters
 * @cfg: 0 to 1 (off), up to 101, or −1 for the model’s default
 *
 * Sets the guidance in the convention where 1 is off.
 */
void
zim_params_set_cfg (ZimParams *self,
                    double     cfg)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  /* Below zero there is only the −1 that both views share; what else is there stays for validate (). */
  if (cfg < 0.0)
    zim_params_set_guidance (self, cfg);
  else if (cfg <= 1.0)
    zim_params_set_guidance (self, 0.0);
  else
    zim_params_set_guidance (self, shift_guidance (cfg, -1.0));
}

/**
 * zim_params_get_cfg_normalization:
 * @self: parameters
 *
 * How many times longer than the prediction without guidance the guided one may be.
 *
 * Returns: the factor, or 0 if there is no limit
 */
double
zim_params_get_cfg_normalization (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 0.0);

  return self->cfg_normalization;
}

/**
 * zim_params_set_cfg_normalization:
 * @self: parameters
 * @cfg_normalization: a factor up to 100, or 0 for no limit
 *
 * Sets how many times longer than the prediction without guidance the guided one may be.
 */
void
zim_params_set_cfg_normalization (ZimParams *self,
                                  double     cfg_normalization)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_double (self, &self->cfg_normalization, cfg_normalization, PROP_CFG_NORMALIZATION);
}

/**
 * zim_params_get_cfg_truncation:
 * @self: parameters
 *
 * The part of the schedule after which steps run without guidance.
 *
 * Returns: 0 to 1
 */
double
zim_params_get_cfg_truncation (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 1.0);

  return self->cfg_truncation;
}

/**
 * zim_params_set_cfg_truncation:
 * @self: parameters
 * @cfg_truncation: 0 to 1; 1 uses guidance in every step
 *
 * Sets the part of the schedule after which steps run without guidance.
 */
void
zim_params_set_cfg_truncation (ZimParams *self,
                               double     cfg_truncation)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_double (self, &self->cfg_truncation, cfg_truncation, PROP_CFG_TRUNCATION);
}

/**
 * zim_params_get_max_tokens:
 * @self: parameters
 *
 * How many tokens of the prompt are used.
 *
 * Returns: the limit in tokens
 */
int
zim_params_get_max_tokens (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), 0);

  return self->max_tokens;
}

/**
 * zim_params_set_max_tokens:
 * @self: parameters
 * @max_tokens: 1 to 4096
 *
 * Sets how many tokens of the prompt are used. The chat template that goes around it counts too.
 */
void
zim_params_set_max_tokens (ZimParams *self,
                           int        max_tokens)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  set_int (self, &self->max_tokens, max_tokens, PROP_MAX_TOKENS);
}

/**
 * zim_params_get_rng:
 * @self: parameters
 *
 * Which generator turns the seed into noise.
 *
 * Returns: the generator
 */
ZimRng
zim_params_get_rng (ZimParams *self)
{
  g_return_val_if_fail (ZIM_IS_PARAMS (self), ZIM_RNG_CPU);

  return self->rng;
}

/**
 * zim_params_set_rng:
 * @self: parameters
 * @rng: a generator
 *
 * Sets which generator turns the seed into noise.
 */
void
zim_params_set_rng (ZimParams *self,
                    ZimRng     rng)
{
  g_return_if_fail (ZIM_IS_PARAMS (self));
  g_return_if_fail (!self->sealed);

  if (self->rng == rng)
    return;

  self->rng = rng;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_RNG]);
}
