/* zim-quantize-plan.c: which tensors of a model are quantized, and to what
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-quantize-private.h"
#include "store/zim-quantize-plan-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

typedef struct {
  char     *text;
  GRegex   *regex;
  gboolean  quantize;
  ZimDType  dtype;
  gboolean  used;
} Rule;

struct _ZimQuantizePlan {
  char     *type; /* (nullable) */
  ZimDType  dtype;
  GArray   *rules;
  gboolean  used;
};

static void
rule_clear (gpointer data)
{
  Rule *rule = data;

  g_clear_pointer (&rule->regex, g_regex_unref);
  g_free (rule->text);
}

static gboolean
parse_rule (const char  *text,
            Rule        *rule,
            GError     **error)
{
  const char *type = strrchr (text, '=');
  g_autofree char *pattern = NULL;
  g_autoptr(GError) local_error = NULL;

  if (type == NULL || type == text)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                   _("“%s” is no rule for tensors, expected REGEX=TYPE"), text);
      return FALSE;
    }
  rule->quantize = g_ascii_strcasecmp (type + 1, "bf16") != 0;
  if (rule->quantize && !zim_quantize_from_name (type + 1, &rule->dtype, error))
    return FALSE;
  pattern = g_strndup (text, (gsize) (type - text));
  rule->regex = g_regex_new (pattern, G_REGEX_OPTIMIZE, 0, &local_error);
  if (rule->regex == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("“%s” is no regular expression: %s"),
                   pattern, local_error->message);
      return FALSE;
    }
  rule->text = g_strdup (text);
  return TRUE;
}

ZimQuantizePlan *
zim_quantize_plan_new (const char         *type,
                       const char *const  *keep,
                       GError            **error)
{
  g_autoptr(ZimQuantizePlan) self = g_new0 (ZimQuantizePlan, 1);

  self->rules = g_array_new (FALSE, TRUE, sizeof (Rule));
  g_array_set_clear_func (self->rules, rule_clear);
  self->type = g_strdup (type);
  if (type != NULL && !zim_quantize_from_name (type, &self->dtype, error))
    return NULL;
  for (guint i = 0; keep != NULL && keep[i] != NULL; i++)
    {
      Rule rule = { NULL };

      if (!parse_rule (keep[i], &rule, error))
        return NULL;
      g_array_append_val (self->rules, rule);
    }
  return g_steal_pointer (&self);
}

void
zim_quantize_plan_free (ZimQuantizePlan *self)
{
  g_array_unref (self->rules);
  g_free (self->type);
  g_free (self);
}

/* Those whose errors everything else would have. */
static gboolean
is_sensitive (const char *name)
{
  static const char *const parts[] = { "embed", "norm", "ln_" };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (strstr (name, parts[i]) != NULL)
      return TRUE;
  return FALSE;
}

static Rule *
find_rule (ZimQuantizePlan *self,
           const char      *name)
{
  for (guint i = 0; i < self->rules->len; i++)
    {
      Rule *rule = &g_array_index (self->rules, Rule, i);

      if (g_regex_match (rule->regex, name, 0, NULL))
        return rule;
    }
  return NULL;
}

gboolean
zim_quantize_plan_choose (ZimQuantizePlan *self,
                          ZimComponent     component,
                          const char      *name,
                          const ZimWeight *weight,
                          ZimDType        *dtype)
{
  Rule *rule = find_rule (self, name);
  gboolean quantize = rule != NULL ? rule->quantize : self->type != NULL && !is_sensitive (name);

  *dtype = rule != NULL ? rule->dtype : self->dtype;
  if (rule != NULL)
    rule->used = TRUE;
  if (!quantize || component == ZIM_COMPONENT_AUTOENCODER || !g_str_has_suffix (name, ".weight") ||
      (weight->dtype != ZIM_DTYPE_F32 && weight->dtype != ZIM_DTYPE_F16 && weight->dtype != ZIM_DTYPE_BF16) ||
      !zim_quantize_fits (weight, *dtype))
    return FALSE;
  self->used = TRUE;
  return TRUE;
}

gboolean
zim_quantize_plan_finish (ZimQuantizePlan  *self,
                          GError          **error)
{
  for (guint i = 0; i < self->rules->len; i++)
    {
      const Rule *rule = &g_array_index (self->rules, Rule, i);

      if (!rule->used)
        {
          g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS,
                       _("No tensor of the model is for the rule “%s”"), rule->text);
          return FALSE;
        }
    }
  if (self->type != NULL && !self->used)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED,
                   _("No tensor of the model can be quantized to %s: they are quantized already, "
                     "or their rows are no whole blocks"), self->type);
      return FALSE;
    }
  return TRUE;
}
