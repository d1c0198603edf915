/* zim-transfer.c: how far a long call of a store is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-transfer.h"

#include "zim-transfer-private.h"

/**
 * ZimTransfer:
 *
 * How far a long call of a [class@ZImage.Store] is.
 *
 * A transfer is made by the caller and given to one call, such as [method@ZImage.Store.create_async], which keeps it up
 * to date. Its properties notify in the thread-default context of the thread that made it, at most ten times a second;
 * the getters can be called from any thread at any time.
 */
struct _ZimTransfer
{
  GObject       parent_instance;

  GMainContext *context;
  GMutex        lock;      /* of everything below */
  char         *item;      /* what was last worked on */
  guint64       completed; /* bytes */
  guint64       total;     /* bytes; 0 as long as it is not known */
  gint64        begin;     /* monotonic, microseconds; 0 before it begins */
  gboolean      pending;   /* a notification is on its way */
};

G_DEFINE_FINAL_TYPE (ZimTransfer, zim_transfer, G_TYPE_OBJECT)

#define INTERVAL 100 /* milliseconds between notifications */

enum {
  PROP_0,
  PROP_ITEM,
  PROP_COMPLETED,
  PROP_TOTAL,
  PROP_RATE,
  PROP_REMAINING,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_transfer_finalize (GObject *object)
{
  ZimTransfer *self = ZIM_TRANSFER (object);

  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_free (self->item);
  G_OBJECT_CLASS (zim_transfer_parent_class)->finalize (object);
}

static void
zim_transfer_get_property (GObject    *object,
                           guint       prop_id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  ZimTransfer *self = ZIM_TRANSFER (object);

  switch (prop_id)
    {
    case PROP_ITEM:
      g_value_take_string (value, zim_transfer_dup_item (self));
      break;
    case PROP_COMPLETED:
      g_value_set_uint64 (value, zim_transfer_get_completed (self));
      break;
    case PROP_TOTAL:
      g_value_set_uint64 (value, zim_transfer_get_total (self));
      break;
    case PROP_RATE:
      g_value_set_double (value, zim_transfer_get_rate (self));
      break;
    case PROP_REMAINING:
      g_value_set_double (value, zim_transfer_get_remaining (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_transfer_class_init (ZimTransferClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = zim_transfer_finalize;
  object_class->get_property = zim_transfer_get_property;

  /**
   * ZimTransfer:item:
   *
   * The file or tensor that was worked on last.
   */
  properties[PROP_ITEM] = g_param_spec_string ("item", NULL, NULL, NULL, flags);

  /**
   * ZimTransfer:completed:
   *
   * How many bytes are done.
   */
  properties[PROP_COMPLETED] = g_param_spec_uint64 ("completed", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimTransfer:total:
   *
   * How many bytes there are to do, or 0 as long as that is not known.
   */
  properties[PROP_TOTAL] = g_param_spec_uint64 ("total", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimTransfer:rate:
   *
   * Bytes per second since it began.
   */
  properties[PROP_RATE] = g_param_spec_double ("rate", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);

  /**
   * ZimTransfer:remaining:
   *
   * The seconds that are probably left, or -1 as long as nobody can tell.
   */
  properties[PROP_REMAINING] = g_param_spec_double ("remaining", NULL, NULL, -1, G_MAXDOUBLE, -1, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_transfer_init (ZimTransfer *self)
{
  self->context = g_main_context_ref_thread_default ();
  g_mutex_init (&self->lock);
}

static gboolean
notify_cb (gpointer data)
{
  ZimTransfer *self = data;

  g_mutex_lock (&self->lock);
  self->pending = FALSE;
  g_mutex_unlock (&self->lock);
  for (guint i = PROP_0 + 1; i < N_PROPS; i++)
    g_object_notify_by_pspec (G_OBJECT (self), properties[i]);
  return G_SOURCE_REMOVE;
}

/* Under the lock. */
static void
schedule (ZimTransfer *self)
{
  g_autoptr(GSource) source = NULL;

  if (self->pending)
    return;
  self->pending = TRUE;
  source = g_timeout_source_new (INTERVAL);
  g_source_set_callback (source, notify_cb, g_object_ref (self), g_object_unref);
  g_source_attach (source, self->context);
}

static void
report_cb (guint64     total,
           guint64     done,
           const char *item,
           gpointer    data)
{
  ZimTransfer *self = data;
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (total > 0)
    self->total = total;
  if (item != NULL && g_strcmp0 (item, self->item) != 0)
    {
      g_free (self->item);
      self->item = g_strdup (item);
    }
  self->completed += done;
  schedule (self);
}

ZimReport
_zim_transfer_begin (ZimTransfer *self)
{
  if (self == NULL)
    return (ZimReport) { NULL };
  g_mutex_lock (&self->lock);
  self->begin = g_get_monotonic_time ();
  self->completed = self->total = 0;
  g_mutex_unlock (&self->lock);
  return (ZimReport) { report_cb, self };
}

/**
 * zim_transfer_new:
 *
 * Makes a transfer.
 *
 * Returns: (transfer full): the transfer
 */
ZimTransfer *
zim_transfer_new (void)
{
  return g_object_new (ZIM_TYPE_TRANSFER, NULL);
}

/**
 * zim_transfer_dup_item:
 * @self: a transfer
 *
 * Gets the file or tensor that was worked on last.
 *
 * Returns: (transfer full) (nullable): its name
 */
char *
zim_transfer_dup_item (ZimTransfer *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;

  g_return_val_if_fail (ZIM_IS_TRANSFER (self), NULL);

  locker = g_mutex_locker_new (&self->lock);
  return g_strdup (self->item);
}

/**
 * zim_transfer_get_completed:
 * @self: a transfer
 *
 * Gets how many bytes are done.
 *
 * Returns: bytes
 */
guint64
zim_transfer_get_completed (ZimTransfer *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;

  g_return_val_if_fail (ZIM_IS_TRANSFER (self), 0);

  locker = g_mutex_locker_new (&self->lock);
  return self->completed;
}

/**
 * zim_transfer_get_total:
 * @self: a transfer
 *
 * Gets how many bytes there are to do.
 *
 * Returns: bytes, or 0 as long as that is not known
 */
guint64
zim_transfer_get_total (ZimTransfer *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;

  g_return_val_if_fail (ZIM_IS_TRANSFER (self), 0);

  locker = g_mutex_locker_new (&self->lock);
  return self->total;
}

/* Under the lock. */
static double
compute_rate (ZimTransfer *self)
{
  double seconds = (double) (g_get_monotonic_time () - self->begin) / G_TIME_SPAN_SECOND;

  return self->begin != 0 && seconds > 0 ? (double) self->completed / seconds : 0;
}

/**
 * zim_transfer_get_rate:
 * @self: a transfer
 *
 * Gets how fast it goes.
 *
 * Returns: bytes per second since it began
 */
double
zim_transfer_get_rate (ZimTransfer *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;

  g_return_val_if_fail (ZIM_IS_TRANSFER (self), 0);

  locker = g_mutex_locker_new (&self->lock);
  return compute_rate (self);
}

/**
 * zim_transfer_get_remaining:
 * @self: a transfer
 *
 * Estimates how long it will still take.
 *
 * Returns: seconds, or -1 as long as nobody can tell
 */
double
zim_transfer_get_remaining (ZimTransfer *self)
{
  g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;
  double rate;

  g_return_val_if_fail (ZIM_IS_TRANSFER (self), -1);

  locker = g_mutex_locker_new (&self->lock);
  rate = compute_rate (self);
  if (rate <= 0 || self->total == 0)
    return -1;
  return (double) (self->total - MIN (self->completed, self->total)) / rate;
}
