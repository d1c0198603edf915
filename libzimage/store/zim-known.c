/* zim-known.c: names of the published models that need no address
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-known-private.h"

#include <string.h>

static const ZimKnown known[] = {
  { "z-image", "Tongyi-MAI/Z-Image-Turbo", TRUE },
  { "z-image-turbo", "Tongyi-MAI/Z-Image-Turbo", TRUE },
  { "z-image-base", "Tongyi-MAI/Z-Image", FALSE },
};

const ZimKnown *
zim_known_find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (strcmp (known[i].name, name) == 0)
      return &known[i];
  return NULL;
}

const ZimKnown *
zim_known_find_for (const ZimStoreName *name)
{
  if (strcmp (name->host, ZIM_STORE_HOST) != 0 || strcmp (name->name_space, "library") != 0 ||
      strcmp (name->tag, "latest") != 0)
    return NULL;
  return zim_known_find (name->model);
}
