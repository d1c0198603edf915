/* formats-util.h: tiny models and temporary folders for the tests of formats/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "formats/zim-checkpoint-private.h"

G_BEGIN_DECLS

/* A temporary folder with everything in it. */
typedef struct {
  char *path;
} Folder;

void            folder_init              (Folder           *folder,
                                          gconstpointer     unused);
void            folder_clear             (Folder           *folder,
                                          gconstpointer     unused);
char           *folder_file              (Folder           *folder,
                                          const char       *name);
void            folder_write             (Folder           *folder,
                                          const char       *name,
                                          gconstpointer     data,
                                          gssize            size);
guint           folder_count             (Folder           *folder,
                                          const char       *subfolder);

/* Replaces one text by another in a file that must have it. */
void            folder_replace           (Folder           *folder,
                                          const char       *name,
                                          const char       *from,
                                          const char       *to);

/* The sizes of a model that fits in a few megabytes, with heads of 128 as the published one. */
void            tiny_config_init         (ZimConfig        *config);

/* Calls func with every tensor that networks of this configuration have. */
typedef void (*TensorFunc) (ZimComponent   component,
                            const char    *name,
                            guint          n_dims,
                            const gint64  *dims,
                            gpointer       user_data);
void            foreach_tensor           (const ZimConfig  *config,
                                          TensorFunc        func,
                                          gpointer          user_data);

/* Has a generated checkpoint make all of its tensors. */
void            generate_all             (const ZimConfig  *config,
                                          ZimCheckpoint    *checkpoint);

/* A generated checkpoint that has made all of its tensors. */
ZimCheckpoint  *tiny_checkpoint_new      (const ZimConfig  *config,
                                          ZimDType          dtype);

/* That other has every tensor of the configuration with the same bytes. */
void            assert_same_tensors      (const ZimConfig  *config,
                                          ZimCheckpoint    *expected,
                                          ZimCheckpoint    *other);

/* The error has this code of ZIM_ERROR and the text in its message; it is freed. */
void            assert_and_clear_error   (GError          **error,
                                          int               code,
                                          const char       *text);

G_END_DECLS
