/* gui-queue.c: the prompts that wait, and the one that is painted
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-queue.h"

struct _GuiQueue
{
  GObject       parent_instance;

  GuiGenerator *generator;
  GPtrArray    *tasks;
};

static void list_model_init (GListModelInterface *interface);

G_DEFINE_FINAL_TYPE_WITH_CODE (GuiQueue, gui_queue, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, list_model_init))

static guint task_done_signal;

static GType
gui_queue_get_item_type (GListModel *list)
{
  return GUI_TYPE_TASK;
}

static guint
gui_queue_get_n_items (GListModel *list)
{
  return GUI_QUEUE (list)->tasks->len;
}

static gpointer
gui_queue_get_item (GListModel *list,
                    guint       position)
{
  GuiQueue *self = GUI_QUEUE (list);

  return position < self->tasks->len ? g_object_ref (g_ptr_array_index (self->tasks, position)) : NULL;
}

static void
list_model_init (GListModelInterface *interface)
{
  interface->get_item_type = gui_queue_get_item_type;
  interface->get_n_items = gui_queue_get_n_items;
  interface->get_item = gui_queue_get_item;
}

static void
gui_queue_finalize (GObject *object)
{
  GuiQueue *self = GUI_QUEUE (object);

  g_ptr_array_unref (self->tasks);
  g_object_unref (self->generator);
  G_OBJECT_CLASS (gui_queue_parent_class)->finalize (object);
}

static void
gui_queue_class_init (GuiQueueClass *class)
{
  G_OBJECT_CLASS (class)->finalize = gui_queue_finalize;

  task_done_signal = g_signal_new ("task-done", GUI_TYPE_QUEUE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                   GUI_TYPE_TASK);
}

static void
gui_queue_init (GuiQueue *self)
{
  self->tasks = g_ptr_array_new_with_free_func (g_object_unref);
}

GuiQueue *
gui_queue_new (GuiGenerator *generator)
{
  GuiQueue *self = g_object_new (GUI_TYPE_QUEUE, NULL);

  self->generator = g_object_ref (generator);
  return self;
}

static void
run_first (GuiQueue *self)
{
  GuiTask *task = gui_queue_get_current (self);

  if (task != NULL && gui_task_get_state (task) == ZIM_JOB_STATE_QUEUED)
    gui_generator_run (self->generator, task);
}

static void
state_cb (GuiTask    *task,
          GParamSpec *pspec,
          GuiQueue   *self)
{
  g_autoptr(GuiTask) kept = g_object_ref (task);
  guint position;

  if (!gui_task_is_over (task) || !g_ptr_array_find (self->tasks, task, &position))
    return;
  g_ptr_array_remove_index (self->tasks, position);
  g_list_model_items_changed (G_LIST_MODEL (self), position, 1, 0);
  g_signal_emit (self, task_done_signal, 0, task);
  run_first (self);
}

void
gui_queue_add (GuiQueue *self,
               GuiTask  *task)
{
  g_signal_connect_object (task, "notify::state", G_CALLBACK (state_cb), self, 0);
  g_ptr_array_add (self->tasks, g_object_ref (task));
  g_list_model_items_changed (G_LIST_MODEL (self), self->tasks->len - 1, 0, 1);
  run_first (self);
}

GuiTask *
gui_queue_get_current (GuiQueue *self)
{
  return self->tasks->len > 0 ? g_ptr_array_index (self->tasks, 0) : NULL;
}

guint
gui_queue_get_length (GuiQueue *self)
{
  return self->tasks->len;
}

/* From the last, so that none begins because the one before it ends. */
void
gui_queue_cancel_all (GuiQueue *self)
{
  for (guint i = self->tasks->len; i > 0; i--)
    {
      g_autoptr(GuiTask) task = g_object_ref (g_ptr_array_index (self->tasks, i - 1));

      gui_task_cancel (task);
    }
}
