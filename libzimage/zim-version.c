/* zim-version.c: the version of the library that a program runs with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-version.h"

/**
 * zim_get_major_version:
 *
 * Gets the major version of the library that the program runs with; %ZIM_MAJOR_VERSION is that of the headers which
 * it was compiled with.
 *
 * Returns: the major version
 */
guint
zim_get_major_version (void)
{
  return ZIM_MAJOR_VERSION;
}

/**
 * zim_get_minor_version:
 *
 * Gets the minor version of the library that the program runs with.
 *
 * Returns: the minor version
 */
guint
zim_get_minor_version (void)
{
  return ZIM_MINOR_VERSION;
}

/**
 * zim_get_micro_version:
 *
 * Gets the micro version of the library that the program runs with.
 *
 * Returns: the micro version
 */
guint
zim_get_micro_version (void)
{
  return ZIM_MICRO_VERSION;
}

static guint64
encode (guint major,
        guint minor,
        guint micro)
{
  return ((guint64) major << 40) | ((guint64) minor << 20) | micro;
}

/**
 * zim_check_version:
 * @major: required major version
 * @minor: required minor version
 * @micro: required micro version
 *
 * Checks whether the library that the program runs with is of at least this version. The macro %ZIM_CHECK_VERSION does
 * so for the headers.
 *
 * Returns: %TRUE if it is
 */
gboolean
zim_check_version (guint major,
                   guint minor,
                   guint micro)
{
  return encode (ZIM_MAJOR_VERSION, ZIM_MINOR_VERSION, ZIM_MICRO_VERSION) >= encode (major, minor, micro);
}
