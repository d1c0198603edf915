/* app-fields.h: the generation parameters as people and programs write them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <zimage.h>

G_BEGIN_DECLS

typedef enum {
  APP_FIELD_TEXT,
  APP_FIELD_WHOLE,
  APP_FIELD_REAL,
  APP_FIELD_CHOICE,
  APP_FIELD_SIZE,   /* width and height in one: “1024x768” */
} AppFieldKind;

/* One parameter. All front ends take names, reading and printing from this one table. */
typedef struct
{
  const char   *name;      /* as a flag: “cfg-normalization” */
  const char   *alias;     /* shorter, for typing; or NULL */
  const char   *json_name; /* in JSON and on the bus: “cfg_normalization”; NULL if it is not a field of its own */
  const char   *property;  /* of ZimParams; NULL for the size */
  AppFieldKind  kind;
  const char   *argument;  /* what follows the flag, untranslated */
  const char   *help;      /* untranslated */
} AppField;

const AppField *app_fields          (guint           *n_fields);
const AppField *app_field_find      (const char      *name_or_alias); /* (nullable) */

/* Reads a value strictly: nothing may follow it. Whether it is in range is what zim_params_validate() says. The
 * error is G_OPTION_ERROR_BAD_VALUE. */
gboolean        app_field_set       (const AppField  *field,
                                     ZimParams       *params,
                                     const char      *text,
                                     GError         **error);
void            app_field_reset     (const AppField  *field,
                                     ZimParams       *params);
/* For people: “random”, “model’s default”, “1024x768”. (transfer full) */
char           *app_field_describe  (const AppField  *field,
                                     ZimParams       *params);

gboolean        app_parse_size      (const char      *text,
                                     int             *width,
                                     int             *height,
                                     GError         **error);
gboolean        app_parse_precision (const char      *text,
                                     ZimPrecision    *precision,
                                     GError         **error);
/* Bytes: “6GiB”, “6G”, “512M”, “1500000000”; KB, MB and GB are powers of ten. */
gboolean        app_parse_memory    (const char      *text,
                                     guint64         *bytes,
                                     GError         **error);
/* The device that an option, the environment’s ZIM_DEVICE or the library's choice names. (transfer full) (nullable) */
ZimDevice      *app_find_device     (const char      *option,
                                     GError         **error);
/* Bytes, of the value of an option, or if that is NULL of the environment’s ZIM_MEMORY_BUDGET; 0 if that is not set
 * either */
gboolean        app_find_memory_budget (const char   *option,
                                     const char      *text,
                                     guint64         *bytes,
                                     GError         **error);
const char     *app_enum_nick       (GType            type,
                                     int              value);

/* All fields that are not left to the model, as a{sv} under their JSON names. (transfer floating) */
GVariant       *app_params_to_variant (ZimParams *params);

G_END_DECLS
