/* zim-store-name.c: what models in a store are called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-store-name-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_LENGTH 80
#define MAX_HOST_LENGTH 253

/* Names that are two of one. */
static const struct { const char *alias, *host; } hosts[] = {
  { "registry.ollama.ai", ZIM_STORE_HOST },
  { "www.ollama.com", ZIM_STORE_HOST },
  { "huggingface.co", ZIM_STORE_HUB },
  { "www.huggingface.co", ZIM_STORE_HUB },
};

/* Letters, digits and some of “._-:”, a letter, digit or underscore first. */
static gboolean
is_part (const char *part,
         const char *others,
         gsize       max_length)
{
  gsize length = strlen (part);

  if (length == 0 || length > max_length || (!g_ascii_isalnum (*part) && *part != '_'))
    return FALSE;
  for (; *part != '\0'; part++)
    if (!g_ascii_isalnum (*part) && strchr (others, *part) == NULL)
      return FALSE;
  return TRUE;
}

static const char *
get_host (const char *host)
{
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    if (g_ascii_strcasecmp (host, hosts[i].alias) == 0)
      return hosts[i].host;
  return host;
}

ZimStoreName *
zim_store_name_new (const char *host,
                    const char *name_space,
                    const char *model,
                    const char *tag)
{
  ZimStoreName *self;

  if (!is_part (host, "._-:", MAX_HOST_LENGTH) || !is_part (name_space, "._-", MAX_LENGTH) ||
      !is_part (model, "._-", MAX_LENGTH) || !is_part (tag, "._-", MAX_LENGTH))
    return NULL;
  self = g_new0 (ZimStoreName, 1);
  self->host = g_ascii_strdown (get_host (host), -1);
  self->name_space = g_strdup (name_space);
  self->model = g_strdup (model);
  self->tag = g_strdup (tag);
  return self;
}

ZimStoreName *
zim_store_name_parse (const char  *text,
                      GError     **error)
{
  g_autofree char *copy = g_strdup (text);
  char *slash = strrchr (copy, '/');
  char *colon = strrchr (slash != NULL ? slash : copy, ':'); /* a host may have a port */
  g_auto(GStrv) parts = NULL;
  ZimStoreName *self = NULL;
  guint n;

  if (colon != NULL)
    *colon = '\0';
  parts = g_strsplit (copy, "/", -1);
  n = g_strv_length (parts);
  if (n >= 1 && n <= 3)
    self = zim_store_name_new (n > 2 ? parts[0] : ZIM_STORE_HOST, n > 1 ? parts[n - 2] : "library",
                               parts[n - 1], colon != NULL ? colon + 1 : "latest");
  if (self == NULL)
    {
      g_autofree char *valid = g_utf8_make_valid (text, -1);

      g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                   _("“%.200s” is no name of a model, expected “model”, “model:tag” or “host/namespace/model:tag”"),
                   valid);
    }
  return self;
}

void
zim_store_name_free (ZimStoreName *self)
{
  g_free (self->host);
  g_free (self->name_space);
  g_free (self->model);
  g_free (self->tag);
  g_free (self);
}

char *
zim_store_name_to_string (const ZimStoreName *self)
{
  if (strcmp (self->host, ZIM_STORE_HOST) != 0)
    return g_strdup_printf ("%s/%s/%s:%s", self->host, self->name_space, self->model, self->tag);
  if (strcmp (self->name_space, "library") != 0)
    return g_strdup_printf ("%s/%s:%s", self->name_space, self->model, self->tag);
  return g_strdup_printf ("%s:%s", self->model, self->tag);
}

char *
zim_store_name_to_path (const ZimStoreName *self)
{
  return g_build_filename (self->host, self->name_space, self->model, self->tag, NULL);
}

int
zim_store_name_compare (const ZimStoreName *a,
                        const ZimStoreName *b)
{
  g_autofree char *x = zim_store_name_to_path (a);
  g_autofree char *y = zim_store_name_to_path (b);

  return strcmp (x, y);
}
