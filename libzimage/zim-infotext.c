/* zim-infotext.c: parameters as the text that image tools keep in a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-infotext-private.h"

#include <math.h>
#include <string.h>

#define NEGATIVE_PREFIX "Negative prompt:"

/* Fewer pairs than this in the last line, or none that every program writes, and it belongs to the prompt. */
#define MIN_PAIRS 3

/* --- Writing ------------------------------------------------------------------------------------- */

/* The shortest form that reads back as the same number. */
static void
append_double (GString *line,
               double   value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (buffer, sizeof buffer, "%.15g", value);
  if (g_ascii_strtod (buffer, NULL) != value)
    g_ascii_dtostr (buffer, sizeof buffer, value);
  g_string_append (line, buffer);
}

static void
append_quoted (GString    *line,
               const char *text)
{
  g_string_append_c (line, '"');
  for (const char *p = text; *p != '\0'; p++)
    {
      if (*p == '"' || *p == '\\')
        g_string_append_printf (line, "\\%c", *p);
      else if (*p == '\n')
        g_string_append (line, "\\n");
      else if ((guchar) *p < 0x20)
        g_string_append_printf (line, "\\u%04x", *p);
      else
        g_string_append_c (line, *p);
    }
  g_string_append_c (line, '"');
}

static void
append_key (GString    *line,
            const char *key)
{
  if (line->len > 0)
    g_string_append (line, ", ");
  g_string_append_printf (line, "%s: ", key);
}

static void
append_text (GString    *line,
             const char *key,
             const char *value)
{
  gboolean quote = *value == '\0' || strpbrk (value, ",:\"\n\r\\") != NULL ||
                   g_ascii_isspace (value[0]) || g_ascii_isspace (value[strlen (value) - 1]);

  append_key (line, key);
  if (quote)
    append_quoted (line, value);
  else
    g_string_append (line, value);
}

static void
append_int (GString    *line,
            const char *key,
            gint64      value)
{
  append_key (line, key);
  g_string_append_printf (line, "%" G_GINT64_FORMAT, value);
}

static void
append_number (GString    *line,
               const char *key,
               double      value)
{
  append_key (line, key);
  append_double (line, value);
}

/* The keys, their order and their values' form are those that other tools look for. */
static char *
format_line (ZimParams  *params,
             const char *model_name)
{
  GString *line = g_string_new (NULL);
  int width = zim_params_get_width (params);
  int height = zim_params_get_height (params);

  if (zim_params_get_steps (params) > 0)
    append_int (line, "Steps", zim_params_get_steps (params));
  append_text (line, "Sampler", "Euler");
  append_text (line, "Schedule type", "Simple");
  if (zim_params_get_guidance (params) >= 0.0)
    append_number (line, "CFG scale", zim_params_get_cfg (params));
  if (zim_params_get_seed (params) != ZIM_SEED_RANDOM)
    append_int (line, "Seed", zim_params_get_seed (params));
  if (width > 0 && height > 0)
    {
      append_key (line, "Size");
      g_string_append_printf (line, "%dx%d", width, height);
    }
  if (model_name != NULL)
    append_text (line, "Model", model_name);
  append_text (line, "RNG", zim_params_get_rng (params) == ZIM_RNG_CUDA ? "NV" : "CPU");
  if (zim_params_get_cfg_normalization (params) != 0.0)
    append_number (line, "CFG normalization", zim_params_get_cfg_normalization (params));
  if (zim_params_get_cfg_truncation (params) != 1.0)
    append_number (line, "CFG truncation", zim_params_get_cfg_truncation (params));
  if (zim_params_get_max_tokens (params) != 512)
    append_int (line, "Max tokens", zim_params_get_max_tokens (params));
  append_text (line, "Version", "libzimage " ZIM_VERSION_STRING);

  return g_string_free (line, FALSE);
}

static gboolean
reads_back (const char *text,
            ZimParams  *params)
{
  g_autoptr(ZimParams) parsed = zim_infotext_parse (text, NULL);

  return g_str_equal (zim_params_get_prompt (parsed), zim_params_get_prompt (params)) &&
         g_str_equal (zim_params_get_negative_prompt (parsed), zim_params_get_negative_prompt (params));
}

char *
zim_infotext_format (ZimParams  *params,
                     const char *model_name)
{
  const char *prompt = zim_params_get_prompt (params);
  const char *negative = zim_params_get_negative_prompt (params);
  g_autofree char *line = format_line (params, model_name);
  g_autofree char *text = NULL;
  g_autoptr(GString) exact = NULL;

  text = g_strconcat (prompt,
                      *negative != '\0' ? "\n" NEGATIVE_PREFIX " " : "", negative,
                      "\n", line, NULL);

  /* A prompt may itself have a line that looks like the next part. Then both are said once more in the
   * last line, quoted, where they override what the lines before seem to say. */
  if (!reads_back (text, params))
    {
      exact = g_string_new (text);
      append_key (exact, "Prompt");
      append_quoted (exact, prompt);
      append_key (exact, "Negative prompt");
      append_quoted (exact, negative);
      g_clear_pointer (&text, g_free);
      text = g_string_free (g_steal_pointer (&exact), FALSE);
    }

  return g_utf8_make_valid (text, -1);
}

/* --- Reading ------------------------------------------------------------------------------------- */

static gboolean
read_hex4 (const char *p,
           gunichar   *value)
{
  *value = 0;
  for (int i = 0; i < 4; i++)
    {
      if (!g_ascii_isxdigit (p[i]))
        return FALSE;
      *value = *value * 16 + (gunichar) g_ascii_xdigit_value (p[i]);
    }

  return TRUE;
}

/* \uXXXX, or two of them that make one character. Advances *p past what it read. */
static gboolean
read_unicode_escape (const char **p,
                     GString     *text)
{
  gunichar high, low;

  if (!read_hex4 (*p + 1, &high))
    return FALSE;
  *p += 5;

  if (high >= 0xd800 && high < 0xdc00)
    {
      if ((*p)[0] != '\\' || (*p)[1] != 'u' || !read_hex4 (*p + 2, &low) || low < 0xdc00 || low > 0xdfff)
        return FALSE;
      high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
      *p += 6;
    }
  if (high == 0 || !g_unichar_validate (high))
    return FALSE;

  g_string_append_unichar (text, high);
  return TRUE;
}

/* The text of a JSON string that starts at its quote, or NULL if it is none. *end is behind it. */
static char *
read_quoted (const char  *p,
             const char **end)
{
  static const char names[] = "\"\\/bfnrt";
  static const char meant[] = "\"\\/\b\f\n\r\t";
  g_autoptr(GString) text = g_string_new (NULL);

  for (p++; *p != '"';)
    {
      const char *name;

      if (*p == '\0')
        return NULL;
      if (*p != '\\')
        {
          g_string_append_c (text, *p++);
          continue;
        }

      p++;
      if (*p == 'u')
        {
          if (!read_unicode_escape (&p, text))
            return NULL;
          continue;
        }

      name = *p != '\0' ? strchr (names, *p) : NULL;
      if (name == NULL)
        return NULL;
      g_string_append_c (text, meant[name - names]);
      p++;
    }

  *end = p + 1;
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static const char *
skip_blanks (const char *p)
{
  while (*p == ' ' || *p == '\t')
    p++;

  return p;
}

/* A key is letters, digits, blanks, “-”, “_” and “/” before a colon. */
static char *
read_key (const char **p)
{
  const char *start = skip_blanks (*p);
  const char *end = start;

  while (g_ascii_isalnum (*end) || (*end != '\0' && strchr (" -_/", *end) != NULL))
    end++;
  if (*end != ':' || end == start)
    return NULL;

  *p = end + 1;
  return g_strstrip (g_strndup (start, (gsize) (end - start)));
}

/* What follows a key: a quoted text, or everything up to the next comma. */
static char *
read_value (const char **p)
{
  const char *start = skip_blanks (*p);
  const char *end;
  char *value;

  if (*start == '"')
    {
      value = read_quoted (start, &end);
      if (value != NULL && (*skip_blanks (end) == ',' || *skip_blanks (end) == '\0'))
        {
          *p = end;
          return value;
        }
      g_free (value);
    }

  end = start + strcspn (start, ",");
  *p = end;
  return g_strstrip (g_strndup (start, (gsize) (end - start)));
}

/* The pairs of a line “Key: value, Key: value”. The first of a key counts: what nested data repeats further on is
 * none of the line's own. */
static GHashTable *
read_pairs (const char *line)
{
  GHashTable *pairs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (const char *p = line; *p != '\0';)
    {
      g_autofree char *key = read_key (&p);

      if (key != NULL)
        {
          g_autofree char *value = read_value (&p);

          if (!g_hash_table_contains (pairs, key))
            g_hash_table_insert (pairs, g_steal_pointer (&key), g_steal_pointer (&value));
        }
      p += strcspn (p, ",");
      if (*p == ',')
        p++;
    }

  return pairs;
}

static gboolean
are_parameters (GHashTable *pairs)
{
  return g_hash_table_size (pairs) >= MIN_PAIRS &&
         (g_hash_table_contains (pairs, "Steps") ||
          g_hash_table_contains (pairs, "Seed") ||
          g_hash_table_contains (pairs, "Sampler"));
}

/* The last line is the parameters' if it has pairs enough. Lines above it are so only if they start as such lines
 * do: some programs append lines of their own. */
static GHashTable *
find_pairs (char **lines,
            guint *index)
{
  guint n = g_strv_length (lines);

  for (guint i = n; i > 0; i--)
    {
      g_autoptr(GHashTable) pairs = NULL;

      if (i < n && !g_str_has_prefix (lines[i - 1], "Steps: "))
        continue;
      pairs = read_pairs (lines[i - 1]);
      if (!are_parameters (pairs))
        continue;

      *index = i - 1;
      return g_steal_pointer (&pairs);
    }

  *index = n;
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

static void
parse_prompts (char      **lines,
               guint       n_lines,
               ZimParams  *params)
{
  g_autoptr(GString) prompt = g_string_new (NULL);
  g_autoptr(GString) negative = NULL;

  for (guint i = 0; i < n_lines; i++)
    {
      const char *line = lines[i];

      if (negative == NULL && g_str_has_prefix (line, NEGATIVE_PREFIX))
        {
          line += strlen (NEGATIVE_PREFIX);
          negative = g_string_new (*line == ' ' ? line + 1 : line);
        }
      else if (negative != NULL)
        g_string_append_printf (negative, "\n%s", line);
      else
        g_string_append_printf (prompt, "%s%s", i > 0 ? "\n" : "", line);
    }

  zim_params_set_prompt (params, prompt->str);
  if (negative != NULL)
    zim_params_set_negative_prompt (params, negative->str);
}

static gboolean
get_int (GHashTable *pairs,
         const char *key,
         gint64      max,
         gint64     *value)
{
  const char *text = g_hash_table_lookup (pairs, key);

  return text != NULL && g_ascii_string_to_signed (text, 10, 0, max, value, NULL);
}

static gboolean
get_double (GHashTable *pairs,
            const char *key,
            double     *value)
{
  const char *text = g_hash_table_lookup (pairs, key);
  char *end;

  if (text == NULL || *text == '\0')
    return FALSE;

  *value = g_ascii_strtod (text, &end);
  return *end == '\0' && isfinite (*value) && *value >= 0.0;
}

static void
parse_size (GHashTable *pairs,
            ZimParams  *params)
{
  const char *text = g_hash_table_lookup (pairs, "Size");
  g_auto(GStrv) sides = text != NULL ? g_strsplit (text, "x", 2) : NULL;
  gint64 width, height;

  if (sides != NULL && g_strv_length (sides) == 2 &&
      g_ascii_string_to_signed (sides[0], 10, 1, G_MAXINT, &width, NULL) &&
      g_ascii_string_to_signed (sides[1], 10, 1, G_MAXINT, &height, NULL))
    zim_params_set_size (params, (int) width, (int) height);
}

static void
parse_numbers (GHashTable *pairs,
               ZimParams  *params)
{
  gint64 number;
  double real;

  if (get_int (pairs, "Steps", G_MAXINT, &number))
    zim_params_set_steps (params, (int) number);
  if (get_int (pairs, "Seed", G_MAXINT64, &number))
    zim_params_set_seed (params, number);
  if (get_int (pairs, "Max tokens", G_MAXINT, &number))
    zim_params_set_max_tokens (params, (int) number);
  if (get_double (pairs, "CFG scale", &real))
    zim_params_set_cfg (params, real);
  if (get_double (pairs, "CFG normalization", &real))
    zim_params_set_cfg_normalization (params, real);
  if (get_double (pairs, "CFG truncation", &real))
    zim_params_set_cfg_truncation (params, real);
  parse_size (pairs, params);
}

static void
parse_texts (GHashTable *pairs,
             ZimParams  *params)
{
  const char *rng = g_hash_table_lookup (pairs, "RNG");
  const char *prompt = g_hash_table_lookup (pairs, "Prompt");
  const char *negative = g_hash_table_lookup (pairs, "Negative prompt");

  if (rng != NULL && (g_ascii_strcasecmp (rng, "NV") == 0 || g_ascii_strcasecmp (rng, "GPU") == 0 ||
                      g_ascii_strcasecmp (rng, "CUDA") == 0))
    zim_params_set_rng (params, ZIM_RNG_CUDA);
  if (prompt != NULL)
    zim_params_set_prompt (params, prompt);
  if (negative != NULL)
    zim_params_set_negative_prompt (params, negative);
}

ZimParams *
zim_infotext_parse (const char  *text,
                    char       **model_name)
{
  ZimParams *params = zim_params_new (NULL);
  g_auto(GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr(GHashTable) pairs = NULL;
  guint n_lines;

  pairs = find_pairs (lines, &n_lines);
  parse_prompts (lines, n_lines, params);
  parse_numbers (pairs, params);
  parse_texts (pairs, params);
  if (model_name != NULL)
    *model_name = g_strdup (g_hash_table_lookup (pairs, "Model"));

  return params;
}
