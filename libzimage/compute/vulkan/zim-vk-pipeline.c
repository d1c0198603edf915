/* zim-vk-pipeline.c: compute pipelines, made when they are first asked for
 *
 * What the driver compiled is kept in zimage/vulkan/ of the user's cache, in a file for each device and version of its
 * driver: a checksum of what follows, then the driver's data. A file that does not match is as good as none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "compute/vulkan/zim-vk-pipeline-private.h"
#include "compute/zim-debug-private.h"

#define CHECKSUM_SIZE 32

typedef struct {
  const ZimVkShader *shader;
  guint32            constants[ZIM_VK_MAX_CONSTANTS]; /* zeros behind the shader's */
} Key;

typedef struct {
  Key        key;
  VkPipeline handle;
} Pipeline;

struct _ZimVkPipelines {
  ZimVkDevice      *device;    /* not owned */
  VkPipelineLayout  layout;
  VkPipelineCache   cache;
  GHashTable       *pipelines; /* of Pipeline, a Key first */
  char             *path;      /* of the cache on disk; NULL: none */
  gboolean          is_dirty;
};

static guint
key_hash (gconstpointer data)
{
  const Key *key = data;
  guint hash = g_direct_hash (key->shader);

  for (guint i = 0; i < ZIM_VK_MAX_CONSTANTS; i++)
    hash = hash * 31 + key->constants[i];
  return hash;
}

static gboolean
key_equal (gconstpointer a,
           gconstpointer b)
{
  return memcmp (a, b, sizeof (Key)) == 0;
}

/* The cache on disk */

static char *
cache_path (const ZimVkPhysical *physical)
{
  const VkPhysicalDeviceProperties *properties = &physical->properties;
  g_autofree char *name = NULL;
  GString *uuid = g_string_new (NULL);

  for (guint i = 0; i < VK_UUID_SIZE; i++)
    g_string_append_printf (uuid, "%02x", properties->pipelineCacheUUID[i]);
  name = g_strdup_printf ("%04x-%04x-%x-%s", properties->vendorID, properties->deviceID, properties->driverVersion,
                          uuid->str);
  g_string_free (uuid, TRUE);
  return g_build_filename (g_get_user_cache_dir (), "zimage", "vulkan", name, NULL);
}

static void
get_checksum (const char *data,
              gsize       size,
              guint8     *digest)
{
  g_autoptr(GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = CHECKSUM_SIZE;

  g_checksum_update (checksum, (const guchar *) data, (gssize) size);
  g_checksum_get_digest (checksum, digest, &length);
}

/* What the file holds, or NULL if it is missing or damaged. */
static GBytes *
load_cache (const char *path)
{
  g_autofree char *contents = NULL;
  guint8 digest[CHECKSUM_SIZE];
  gsize size;

  if (!g_file_get_contents (path, &contents, &size, NULL) || size <= CHECKSUM_SIZE)
    return NULL;
  get_checksum (contents + CHECKSUM_SIZE, size - CHECKSUM_SIZE, digest);
  if (memcmp (contents, digest, CHECKSUM_SIZE) != 0)
    {
      g_debug ("%s is damaged and will be written again", path);
      return NULL;
    }
  return g_bytes_new (contents + CHECKSUM_SIZE, size - CHECKSUM_SIZE);
}

static gboolean
create_cache (ZimVkPipelines  *self,
              GError         **error)
{
  ZimVkDevice *device = self->device;
  g_autoptr(GBytes) bytes = self->path != NULL ? load_cache (self->path) : NULL;
  VkPipelineCacheCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO };
  VkResult result;

  if (bytes != NULL)
    info.pInitialData = g_bytes_get_data (bytes, &info.initialDataSize);
  result = device->vk.CreatePipelineCache (device->handle, &info, NULL, &self->cache);
  if (result != VK_SUCCESS && bytes != NULL)
    {
      info.pInitialData = NULL;
      info.initialDataSize = 0;
      result = device->vk.CreatePipelineCache (device->handle, &info, NULL, &self->cache);
    }
  return zim_vk_check (device, result, "vkCreatePipelineCache", error);
}

/* A cache that cannot be written is no reason to fail. */
void
zim_vk_pipelines_save (ZimVkPipelines *self)
{
  ZimVkDevice *device = self->device;
  g_autofree char *folder = NULL;
  g_autofree char *data = NULL;
  g_autoptr(GError) error = NULL;
  gsize size = 0;

  if (!self->is_dirty || self->path == NULL || device->is_lost ||
      device->vk.GetPipelineCacheData (device->handle, self->cache, &size, NULL) != VK_SUCCESS)
    return;
  data = g_malloc (CHECKSUM_SIZE + size);
  if (device->vk.GetPipelineCacheData (device->handle, self->cache, &size, data + CHECKSUM_SIZE) != VK_SUCCESS)
    return;
  get_checksum (data + CHECKSUM_SIZE, size, (guint8 *) data);
  folder = g_path_get_dirname (self->path);
  g_mkdir_with_parents (folder, 0700);
  if (!g_file_set_contents_full (self->path, data, (gssize) (CHECKSUM_SIZE + size), G_FILE_SET_CONTENTS_CONSISTENT,
                                 0600, &error))
    g_debug ("%s", error->message);
  self->is_dirty = FALSE;
}

/* Pipelines */

ZimVkPipelines *
zim_vk_pipelines_new (ZimVkDevice  *device,
                      GError      **error)
{
  ZimVkPipelines *self = g_new0 (ZimVkPipelines, 1);
  VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, ZIM_VK_MAX_PUSH_SIZE };
  VkPipelineLayoutCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
    .pushConstantRangeCount = 1,
    .pPushConstantRanges = &range,
  };

  self->device = device;
  self->pipelines = g_hash_table_new_full (key_hash, key_equal, g_free, NULL);
  if (!zim_is_disabled (ZIM_DISABLE_CACHE))
    self->path = cache_path (device->physical);
  if (!zim_vk_check (device, device->vk.CreatePipelineLayout (device->handle, &info, NULL, &self->layout),
                     "vkCreatePipelineLayout", error) ||
      !create_cache (self, error))
    g_clear_pointer (&self, zim_vk_pipelines_free);
  return self;
}

void
zim_vk_pipelines_free (ZimVkPipelines *self)
{
  ZimVkDevice *device = self->device;
  GHashTableIter iter;
  gpointer pipeline;

  zim_vk_pipelines_save (self);
  g_hash_table_iter_init (&iter, self->pipelines);
  while (g_hash_table_iter_next (&iter, &pipeline, NULL))
    device->vk.DestroyPipeline (device->handle, ((Pipeline *) pipeline)->handle, NULL);
  g_hash_table_unref (self->pipelines);
  device->vk.DestroyPipelineCache (device->handle, self->cache, NULL);
  device->vk.DestroyPipelineLayout (device->handle, self->layout, NULL);
  g_free (self->path);
  g_free (self);
}

VkPipelineLayout
zim_vk_pipelines_get_layout (ZimVkPipelines *self)
{
  return self->layout;
}

const char *
zim_vk_pipelines_get_path (ZimVkPipelines *self)
{
  return self->path;
}

static gboolean
create_pipeline (ZimVkPipelines  *self,
                 const Key       *key,
                 VkShaderModule   module,
                 VkPipeline      *pipeline,
                 GError         **error)
{
  ZimVkDevice *device = self->device;
  VkSpecializationMapEntry entries[ZIM_VK_MAX_CONSTANTS];
  VkSpecializationInfo constants = {
    .mapEntryCount = key->shader->n_constants,
    .pMapEntries = entries,
    .dataSize = key->shader->n_constants * sizeof key->constants[0],
    .pData = key->constants,
  };
  gboolean sets_size = key->shader->full_subgroups && device->physical->coop.sets_size;
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
    .requiredSubgroupSize = device->physical->coop.subgroup_size,
  };
  VkComputePipelineCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
    .flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT,
    .stage = {
      .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
      .pNext = sets_size ? &size : NULL,
      .flags = sets_size ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
      .stage = VK_SHADER_STAGE_COMPUTE_BIT,
      .module = module,
      .pName = "main",
      .pSpecializationInfo = &constants,
    },
    .layout = self->layout,
  };

  for (guint i = 0; i < key->shader->n_constants; i++)
    entries[i] = (VkSpecializationMapEntry) { i, i * sizeof key->constants[0], sizeof key->constants[0] };
  return zim_vk_check (device,
                       device->vk.CreateComputePipelines (device->handle, self->cache, 1, &info, NULL, pipeline),
                       "vkCreateComputePipelines", error);
}

static gboolean
compile (ZimVkPipelines  *self,
         const Key       *key,
         VkPipeline      *pipeline,
         GError         **error)
{
  ZimVkDevice *device = self->device;
  VkShaderModuleCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
    .codeSize = key->shader->code_size,
    .pCode = key->shader->code,
  };
  VkShaderModule module;
  gboolean is_made;
  gint64 start = g_get_monotonic_time ();

  if (!zim_vk_check (device, device->vk.CreateShaderModule (device->handle, &info, NULL, &module),
                     "vkCreateShaderModule", error))
    return FALSE;
  is_made = create_pipeline (self, key, module, pipeline, error);
  device->vk.DestroyShaderModule (device->handle, module, NULL);
  if (is_made && zim_debug (ZIM_DEBUG_TIME))
    zim_debug_print ("time: compiled %s in %.1f ms", key->shader->name, (g_get_monotonic_time () - start) / 1e3);
  return is_made;
}

VkPipeline
zim_vk_pipelines_get (ZimVkPipelines     *self,
                      const ZimVkShader  *shader,
                      gconstpointer       constants,
                      GError            **error)
{
  Pipeline wanted = { { shader }, VK_NULL_HANDLE };
  Pipeline *pipeline;

  g_assert (shader->n_constants <= ZIM_VK_MAX_CONSTANTS);
  memcpy (wanted.key.constants, constants, shader->n_constants * sizeof wanted.key.constants[0]);
  pipeline = g_hash_table_lookup (self->pipelines, &wanted);
  if (pipeline == NULL && compile (self, &wanted.key, &wanted.handle, error))
    {
      pipeline = g_memdup2 (&wanted, sizeof wanted);
      g_hash_table_add (self->pipelines, pipeline);
      self->is_dirty = TRUE;
    }
  return pipeline != NULL ? pipeline->handle : VK_NULL_HANDLE;
}
