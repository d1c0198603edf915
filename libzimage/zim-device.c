/* zim-device.c: one thing that computes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "compute/cpu/zim-cpu-private.h"
#include "compute/vulkan/zim-vk-private.h"
#include "compute/zim-check-private.h"
#include "zim-device-private.h"
#include "zim-enum-types.h"
#include "zim-error.h"

/**
 * ZimDevice:
 *
 * Something that can run a model: the processor, or a device that speaks Vulkan.
 *
 * [func@ZImage.Device.list] gives all of them, [func@ZImage.Device.find] the one that a name means. A device is only
 * a description; what computes is the [class@ZImage.Pipeline] that is given it.
 *
 * Devices are immutable and can be used from any thread.
 */
struct _ZimDevice {
  GObject        parent_instance;

  char          *id;
  char          *name;
  ZimDeviceKind  kind;
  guint64        memory;
  char          *features;
  ZimPrecision   precision;
  guint          index;       /* of a Vulkan device among those */
  gboolean       is_software; /* a Vulkan device that computes on the processor */
};

G_DEFINE_FINAL_TYPE (ZimDevice, zim_device, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_ID,
  PROP_NAME,
  PROP_KIND,
  PROP_MEMORY,
  PROP_FEATURES,
  PROP_PRECISION,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_device_finalize (GObject *object)
{
  ZimDevice *self = ZIM_DEVICE (object);

  g_free (self->id);
  g_free (self->name);
  g_free (self->features);
  G_OBJECT_CLASS (zim_device_parent_class)->finalize (object);
}

static void
zim_device_get_property (GObject    *object,
                         guint       prop_id,
                         GValue     *value,
                         GParamSpec *pspec)
{
  ZimDevice *self = ZIM_DEVICE (object);

  switch (prop_id)
    {
    case PROP_ID:
      g_value_set_string (value, self->id);
      break;
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_KIND:
      g_value_set_enum (value, self->kind);
      break;
    case PROP_MEMORY:
      g_value_set_uint64 (value, self->memory);
      break;
    case PROP_FEATURES:
      g_value_set_string (value, self->features);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, self->precision);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_device_class_init (ZimDeviceClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = zim_device_finalize;
  object_class->get_property = zim_device_get_property;

  /**
   * ZimDevice:id:
   *
   * The name that chooses this device: `cpu`, `vulkan:0`, …
   */
  properties[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, flags);

  /**
   * ZimDevice:name:
   *
   * What the device calls itself.
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);

  /**
   * ZimDevice:kind:
   *
   * What kind of device it is.
   */
  properties[PROP_KIND] = g_param_spec_enum ("kind", NULL, NULL, ZIM_TYPE_DEVICE_KIND, ZIM_DEVICE_KIND_CPU, flags);

  /**
   * ZimDevice:memory:
   *
   * The device’s memory in bytes.
   */
  properties[PROP_MEMORY] = g_param_spec_uint64 ("memory", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimDevice:features:
   *
   * What it computes with, in words: instructions and threads, or what of Vulkan it has.
   */
  properties[PROP_FEATURES] = g_param_spec_string ("features", NULL, NULL, NULL, flags);

  /**
   * ZimDevice:precision:
   *
   * The precision that %ZIM_PRECISION_AUTO stands for on this device.
   */
  properties[PROP_PRECISION] =
    g_param_spec_enum ("precision", NULL, NULL, ZIM_TYPE_PRECISION, ZIM_PRECISION_F32, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_device_init (ZimDevice *self)
{
}

/* “model name : …” of /proc/cpuinfo; the machine's name elsewhere. */
static char *
cpu_name (void)
{
  g_autofree char *text = NULL;
  g_auto(GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL))
    return g_strdup ("CPU");
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *colon = strchr (lines[i], ':');

      if (g_str_has_prefix (lines[i], "model name") && colon != NULL)
        return g_strstrip (g_strdup (colon + 1));
    }
  return g_strdup ("CPU");
}

static ZimDevice *
new_cpu_device (const ZimCpuKernels *kernels)
{
  ZimDevice *self = g_object_new (ZIM_TYPE_DEVICE, NULL);
  guint n_threads = zim_cpu_n_threads ();

  self->id = g_strdup ("cpu");
  self->name = cpu_name ();
  self->kind = ZIM_DEVICE_KIND_CPU;
  self->memory = (guint64) sysconf (_SC_PHYS_PAGES) * sysconf (_SC_PAGESIZE);
  self->features = g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%s%s, %u thread", "%s%s, %u threads", n_threads),
                                    kernels->name, kernels->has_bf16_dot ? " bf16" : "", n_threads);
  self->precision = zim_cpu_auto_precision (kernels);
  return self;
}

static ZimDevice *
new_vulkan_device (const ZimVkInfo *info,
                   guint            index)
{
  ZimDevice *self = g_object_new (ZIM_TYPE_DEVICE, NULL);

  self->id = g_strdup_printf ("vulkan:%u", index);
  self->name = g_strdup (info->name);
  self->kind = ZIM_DEVICE_KIND_VULKAN;
  self->memory = info->memory;
  self->features = g_strdup (info->features);
  self->precision = info->precision;
  self->index = index;
  self->is_software = info->kind == ZIM_VK_SOFTWARE;
  return self;
}

/* Graphics cards, the processor, and what only plays a graphics card. error: why there is no Vulkan device */
static GListModel *
list_devices (GError **error)
{
  GListStore *store = g_list_store_new (ZIM_TYPE_DEVICE);
  const ZimCpuKernels *kernels = zim_cpu_kernels_get (NULL);
  GPtrArray *infos = zim_vk_list (error);
  guint n_hardware = 0;

  for (guint i = 0; infos != NULL && i < infos->len; i++)
    {
      g_autoptr(ZimDevice) device = new_vulkan_device (g_ptr_array_index (infos, i), i);

      g_list_store_append (store, device);
      n_hardware += !device->is_software;
    }
  if (kernels != NULL)
    {
      g_autoptr(ZimDevice) cpu = new_cpu_device (kernels);

      g_list_store_insert (store, n_hardware, cpu);
    }
  return G_LIST_MODEL (store);
}

/**
 * zim_device_list:
 *
 * Lists the devices that a model can run on, the best first.
 *
 * Returns: (transfer full): a list model of [class@ZImage.Device]
 */
GListModel *
zim_device_list (void)
{
  return list_devices (NULL);
}

typedef gboolean (*MatchFunc) (ZimDevice  *device,
                               const char *folded);

static gboolean
is_best (ZimDevice  *self,
         const char *folded)
{
  return !self->is_software;
}

static gboolean
is_vulkan_hardware (ZimDevice  *self,
                    const char *folded)
{
  return self->kind == ZIM_DEVICE_KIND_VULKAN && !self->is_software;
}

static gboolean
has_id (ZimDevice  *self,
        const char *folded)
{
  return g_str_equal (self->id, folded);
}

static gboolean
has_name (ZimDevice  *self,
          const char *folded)
{
  g_autofree char *name = g_utf8_casefold (self->name, -1);

  return strstr (name, folded) != NULL;
}

static ZimDevice *
find_first (GListModel *devices,
            MatchFunc   matches,
            const char *folded)
{
  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr(ZimDevice) device = g_list_model_get_item (devices, i);

      if (matches (device, folded))
        return g_steal_pointer (&device);
    }
  return NULL;
}

static ZimDevice *
find_cpu (GError **error)
{
  const ZimCpuKernels *kernels = zim_cpu_kernels_get (error);

  return kernels != NULL ? new_cpu_device (kernels) : NULL;
}

/* The error says why there is no such device: no loader or no driver where it is Vulkan that was asked for. */
static ZimDevice *
find_vulkan (const char  *folded,
             GError     **error)
{
  g_autoptr(GError) reason = NULL;
  g_autoptr(GListModel) devices = list_devices (&reason);
  gboolean is_any = g_str_equal (folded, "vulkan");
  ZimDevice *device = find_first (devices, is_any ? is_vulkan_hardware : has_id, folded);

  if (device != NULL)
    return device;
  if (reason != NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  else if (is_any)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                 _("No graphics card has a Vulkan driver: there is only one that computes on the processor, which "
                   "“cpu” does faster. Install the driver of the graphics card, or choose a device that "
                   "“zimage devices” lists"));
  else
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                 _("There is no device “%s”; “zimage devices” lists those that there are"), folded);
  return NULL;
}

/**
 * zim_device_find:
 * @name: (nullable): `auto` or %NULL for the best, `cpu`, `vulkan` for the best that speaks Vulkan, `vulkan:N`, or a
 *   part of a listed name in any case
 * @error: return location for an error
 *
 * Finds the device that a name means.
 *
 * The best is a graphics card, else the processor. What computes on the processor through Vulkan, such as `llvmpipe`,
 * is only taken when its own name or number asks for it.
 *
 * Fails with %ZIM_ERROR_DEVICE if there is none.
 *
 * Returns: (transfer full): the device
 */
ZimDevice *
zim_device_find (const char  *name,
                 GError     **error)
{
  g_autoptr(GListModel) devices = NULL;
  g_autofree char *folded = NULL;
  ZimDevice *device;

  if (zim_cpu_kernels_get (error) == NULL)
    return NULL;
  folded = g_utf8_casefold (name != NULL && *name != '\0' ? name : "auto", -1);
  if (g_str_equal (folded, "cpu"))
    return find_cpu (error);
  if (g_str_equal (folded, "vulkan") || g_str_has_prefix (folded, "vulkan:"))
    return find_vulkan (folded, error);
  devices = list_devices (NULL);
  if (g_str_equal (folded, "auto"))
    device = find_first (devices, is_best, folded);
  else
    device = find_first (devices, has_name, folded);
  if (device == NULL)
    g_set_error (error, ZIM_ERROR, ZIM_ERROR_DEVICE,
                 _("There is no device “%s”; “zimage devices” lists those that there are"), name);
  return device;
}

ZimBackend *
_zim_device_create_backend (ZimDevice  *self,
                            GError    **error)
{
  g_autoptr(ZimBackend) backend = NULL;
  ZimBackend *reference;

  if (self->kind == ZIM_DEVICE_KIND_VULKAN)
    backend = zim_vk_backend_new (self->index, error);
  else
    backend = zim_cpu_backend_new (NULL, 0, error);
  if (backend == NULL || g_strcmp0 (g_getenv ("ZIM_CHECK"), "1") != 0)
    return g_steal_pointer (&backend);
  reference = zim_cpu_backend_new (NULL, 0, error);
  return reference != NULL ? zim_check_backend_new (g_steal_pointer (&backend), reference) : NULL;
}

/**
 * zim_device_get_id:
 * @self: a device
 *
 * Gets the name that chooses this device.
 *
 * Returns: the id
 */
const char *
zim_device_get_id (ZimDevice *self)
{
  g_return_val_if_fail (ZIM_IS_DEVICE (self), NULL);

  return self->id;
}

/**
 * zim_device_get_name:
 * @self: a device
 *
 * Gets what the device calls itself.
 *
 * Returns: the name
 */
const char *
zim_device_get_name (ZimDevice *self)
{
  g_return_val_if_fail (ZIM_IS_DEVICE (self), NULL);

  return self->name;
}

/**
 * zim_device_get_kind:
 * @self: a device
 *
 * Gets what kind of device it is.
 *
 * Returns: the kind
 */
ZimDeviceKind
zim_device_get_kind (ZimDevice *self)
{
  g_return_val_if_fail (ZIM_IS_DEVICE (self), ZIM_DEVICE_KIND_CPU);

  return self->kind;
}

/**
 * zim_device_get_memory:
 * @self: a device
 *
 * Gets the device’s memory.
 *
 * Returns: bytes
 */
guint64
zim_device_get_memory (ZimDevice *self)
{
  g_return_val_if_fail (ZIM_IS_DEVICE (self), 0);

  return self->memory;
}

/**
 * zim_device_get_features:
 * @self: a device
 *
 * Gets what the device computes with, in words.
 *
 * Returns: the features
 */
const char *
zim_device_get_features (ZimDevice *self)
{
  g_return_val_if_fail (ZIM_IS_DEVICE (self), NULL);

  return self->features;
}

/**
 * zim_device_get_precision:
 * @self: a device
 *
 * Gets the precision that %ZIM_PRECISION_AUTO stands for on this device.
 *
 * Returns: the precision
 */
ZimPrecision
zim_device_get_precision (ZimDevice *self)
{
  g_return_val_if_fail (ZIM_IS_DEVICE (self), ZIM_PRECISION_F32);

  return self->precision;
}
