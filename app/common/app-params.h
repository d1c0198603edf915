/* app-params.h: the generation parameters from JSON and from the bus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

/* Sets the fields that an a{sv} has, under their JSON names; others are left alone. Whether values are in range is what
 * zim_params_validate() says. Errors name the field, which bad_field then is too. */
gboolean  app_params_from_variant (ZimParams    *params,
                                   GVariant     *dict,
                                   const char  **bad_field,
                                   GError      **error);

/* The “size” of an a{sv}, if there is one: “1024x768”, or “auto” for the model's own. */
gboolean  app_params_read_size    (ZimParams    *params,
                                   GVariant     *dict,
                                   GError      **error);

/* Fields of an a{sv} that are no parameters. A field that is missing or null leaves the value as it is. The error is
 * ZIM_ERROR_INVALID_PARAMS. */
GVariant *app_dict_lookup         (GVariant     *dict,
                                   const char   *name); /* (nullable) (transfer full) */
gboolean  app_dict_read_text      (GVariant     *dict,
                                   const char   *name,
                                   char        **text,
                                   GError      **error);
gboolean  app_dict_read_flag      (GVariant     *dict,
                                   const char   *name,
                                   gboolean     *flag,
                                   GError      **error);
gboolean  app_dict_read_whole     (GVariant     *dict,
                                   const char   *name,
                                   gint64        min,
                                   gint64        max,
                                   gint64       *whole,
                                   GError      **error);
/* Seconds, or a text that app_parse_duration() takes. */
gboolean  app_dict_read_duration  (GVariant     *dict,
                                   const char   *name,
                                   gint64       *duration,
                                   GError      **error);

/* Adds a member to an a{sv}, which keeps their order. The format is that of g_variant_new (). */
void      app_dict_add            (GVariantBuilder *dict,
                                   const char      *name,
                                   const char      *format,
                                   ...);
/* Sinks the value. */
void      app_dict_add_value      (GVariantBuilder *dict,
                                   const char      *name,
                                   GVariant        *value);

G_END_DECLS
