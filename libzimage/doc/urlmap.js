/* urlmap.js: where the classes of other libraries are explained
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

baseURLs = [
    ['GLib', 'https://docs.gtk.org/glib/'],
    ['GObject', 'https://docs.gtk.org/gobject/'],
    ['Gio', 'https://docs.gtk.org/gio/'],
    ['GdkPixbuf', 'https://docs.gtk.org/gdk-pixbuf/'],
];
