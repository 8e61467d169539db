// SPDX-License-Identifier: MIT
// The client's side of the worker protocol: starts a worker, here or through ssh, sends jobs and
// pictures, and returns the answers as events. Only calls that take a timeout wait. One thread.
//
//     c = client_open(&params, &err);
//     client_submit(c, &job);
//     while (client_wait(c, -1)) while (client_next(c, &event)) …, client_event_free(&event);
//
// If the worker ends unexpectedly there is one CLIENT_LOST event, whose error says how;
// client_restart() starts another one, to which jobs can be submitted again.
#ifndef LIMN_APP_WORKER_CLIENT_H
#define LIMN_APP_WORKER_CLIENT_H

#include "app/job/job.h"
#include "engine/base/jv.h"
#include "renderer/image/image.h"

struct pollfd;
struct client;

struct client_params {
    const char *host; // "user@gpu": through ssh; NULL: here
    // Use a worker of its own, which ends with this process. Otherwise a worker that is still
    // finishing jobs is joined, and the worker finishes its jobs when this process ends.
    bool alone;
    bool quiet_ssh; // ssh must not ask questions (they would overwrite the screen)
    // The worker's program. NULL: this one; through ssh, $LIMN_REMOTE or "limn".
    const char *program;
};

// Starts it and returns at once. $LIMN_SSH is the ssh command, by default "ssh".
struct client *client_open(const struct client_params *params, struct err *err);
// Says goodbye; a worker that is alone or has nothing to do ends. NULL is fine.
void client_close(struct client *c);
bool client_restart(struct client *c, struct err *err); // after CLIENT_LOST

enum { CLIENT_FDS = 3 };
int client_fds(struct client *c, struct pollfd *fds); // what to poll (room for CLIENT_FDS)
// Waits until something has come, at most `milliseconds` (-1: for ever). False: nothing came, or a
// signal did.
bool client_wait(struct client *c, int milliseconds);
// Whether something has arrived that was not handled yet: then do not wait.
bool client_has_buffered(const struct client *c);
bool client_alive(const struct client *c);
bool client_ready(const struct client *c); // it has said hello

enum client_event_type {
    CLIENT_HELLO = 1, // data: protocol, version, host, jobs
    CLIENT_LOADERS,   // data: "loaders" (describe.h)
    CLIENT_DESCRIBED, // data: "devices", "models"
    CLIENT_QUEUED,    // job; data: "ahead"
    CLIENT_STARTED,   // job; data: "model", "model_hash", "device"
    CLIENT_PROGRESS,  // job, step, total, seconds; image: all pictures side by side, or NULL
    CLIENT_RESULT,    // job, index, data: "seed", "count"; png: the finished file
    CLIENT_DONE,      // job; data: seconds, peak_bytes …
    CLIENT_FAILED,    // job, err
    CLIENT_LOADED,    // id; png, or err
    CLIENT_LOG,       // data: "level", "text"
    CLIENT_RUNNING,   // id; data: "pid": a command has begun
    CLIENT_OUTPUT,    // id; data: "stream" 1 or 2; png: what the command wrote
    CLIENT_FILE,      // id, index; png: a file that the command made
    CLIENT_ENDED,     // id; data: "code" or "signal", "text": of a command, or why it did not begin
    CLIENT_COMMANDS,  // data: "jobs" (records.h)
    CLIENT_CHANGED,   // a detached command has ended or was removed
    CLIENT_PIECE,     // id; data: "name", "from", "size", "sheets"; png: bytes of the file
    CLIENT_LOST,      // err: how it ended
};

// `data` has passed protocol_check(): the fields that docs/worker.md lists, each of the right type
// and in range, texts of one line without controls. Unsolicited and repeated answers, and log lines
// beyond LIMIT_HOST_LOGS_A_SECOND, are dropped.
struct client_event {
    enum client_event_type type;
    char job[JOB_ID_TEXT], id[64];
    int step, total, index;
    double seconds;
    bool late; // a result of an earlier connection, from the spool
    struct image *image;
    uint8_t *png; // or other bytes
    size_t png_size;
    struct jv *data;
    struct err err;
};

// The next event; false: none now. However much comes, it returns false after
// LIMIT_HOST_EVENTS_A_TURN events or 20 ms, until client_wait() or client_fds() is called. Free
// each event with client_event_free().
bool client_next(struct client *c, struct client_event *event);
void client_event_free(struct client_event *event);

// Sends a job on which job_read() and job_resolve() were called. Pictures are sent once, by
// content. The job may be freed: the client keeps what the worker may still ask for.
void client_submit(struct client *c, const struct job *j, bool previews);
// Takes over a job that an earlier client submitted and this worker has.
void client_expect(struct client *c, const char *job, int count);
void client_fetch(struct client *c, const char *job, int index); // a result that waits in the spool
void client_cancel(struct client *c, const char *job);
void client_stored(struct client *c, const char *job, int index); // a result is safe here
// Runs the loader of a reference to show its result; answered by CLIENT_LOADED with the same id.
void client_load(struct client *c, const char *id, const struct job_reference *ref, int side);
void client_describe(struct client *c);

// Copies and keeps data that the worker may request by its hash.
void client_offer_blob(struct client *c, const void *data, size_t size, const char *hash);

// Commands that a worker runs (docs/worker.md). Answered by CLIENT_RUNNING, _OUTPUT, _FILE, _ENDED.
struct client_command {
    const struct jv *words, *environment, *about; // copied
    const char *folder, *where; // NULL: none
    bool terminal[3], detach;
};
void client_command(struct client *c, const char *id, const struct client_command *command);
void client_interrupt(struct client *c, const char *id);
void client_pause(struct client *c, const char *id, bool on);
// For detached commands.
void client_commands(struct client *c); // CLIENT_COMMANDS; at most one request is outstanding
void client_follow(struct client *c, const char *id);
void client_resume(struct client *c, const char *id);
void client_remove(struct client *c, const char *id);
void client_read(struct client *c, const char *id, const char *name, int64_t from); // CLIENT_PIECE

#endif
