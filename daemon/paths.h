/* Where the daemon and the programs meet: the socket and the data folder when nobody says.
 *
 * Socket: $SBERTD_SOCKET, else $XDG_RUNTIME_DIR/sbertd/sbertd.sock, else
 * ~/.local/state/sbertd/sbertd.sock; for root's daemon /run/sbertd/sbertd.sock.
 * Data: $SBERTD_DATA_DIR, else $XDG_DATA_HOME/sbertd, else ~/.local/share/sbertd; for root
 * /var/lib/sbertd. Configuration: $SBERTD_CONFIG, else $XDG_CONFIG_HOME/sbertd/sbertd.conf, else
 * ~/.config/sbertd/sbertd.conf; for root /etc/sbertd/sbertd.conf.
 * Part of the wire format that the programs in cli/ share; includes nothing but base.
 */
#ifndef SBERT_DAEMON_PATHS_H
#define SBERT_DAEMON_PATHS_H

#include "base/err.h"

/* The longest path a Unix socket can have, without the NUL. */
enum { SOCKET_PATH_MAX = 107 };

/* Each gives fresh memory that the caller frees. */
int paths_daemon_socket(char **ret_path, struct err *err); /* where a daemon listens */
int paths_data_folder(char **ret_path, struct err *err);
int paths_config_file(char **ret_path, struct err *err);

/* Where a program finds the daemon: as above, and last /run/sbertd/sbertd.sock where that is there
 * and owned by root or by this user. `given` (may be NULL) is what the command line said. */
int paths_client_socket(char **ret_path, const char *given, struct err *err);

#endif
