/* test-reference.h: the fixtures of tests/reference/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

#include "formats/zim-checkpoint-private.h"
#include "formats/zim-safetensors-private.h"

/* One folder of fixtures/. */
typedef struct {
  char           *name;
  char           *path;
  JsonParser     *parser;
  JsonObject     *json;         /* case.json; not owned */
  const char     *kind;
  JsonObject     *weight_shift; /* (nullable); not owned */
  ZimConfig       config;       /* of the components that the case has */
  ZimSafetensors *expected;
} TestCase;

TestCase       *test_case_load       (const char   *name);
void            test_case_free       (TestCase     *test);
char          **test_case_list       (void); /* names of all cases */

/* Weights of that type, made on request. The case must outlive it. */
ZimCheckpoint  *test_case_checkpoint (TestCase     *test,
                                      ZimDType      dtype);
/* An input tensor of a case and its dimensions. */
float          *test_case_input      (TestCase     *test,
                                      const char   *name,
                                      gint64        dims[3]);

/* How far a result is from the expected tensor of that name, which may be stored in parts: ‖a − b‖ / ‖b‖ over what is
 * stored, and the cosine of the angle between them. FALSE if the case has no such tensor. More rows than expected are
 * allowed (padding). */
typedef struct {
  double relative;
  double cosine;
  double norm;    /* |‖a‖ − ‖b‖| / ‖b‖ over all values, also those that are not stored */
  double largest; /* |a − b| */
} TestDistance;

gboolean        test_case_compare    (TestCase     *test,
                                      const char   *name,
                                      const float  *values,
                                      gsize         n,
                                      TestDistance *distance);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestCase, test_case_free)
