// SPDX-License-Identifier: MIT
// Every limit that limn sets on input from outside: files, hosts, terminals, the environment.
// docs/security.md lists them; tests/layers/limits.py SOURCE --write updates that table. A name
// says what is limited and in which unit: BYTES, PIXELS, SECONDS, MS (milliseconds), MEGABYTES
// (MiB); without a unit it is a count. A value equal to the limit is allowed.
#ifndef LIMN_ENGINE_BASE_LIMITS_H
#define LIMN_ENGINE_BASE_LIMITS_H

// What people write: templates, recipes, lists of words.
enum {
    LIMIT_YAML_BYTES = 1 << 20,  // of a YAML file
    LIMIT_YAML_DEPTH = 32,       // nested maps and lists
    LIMIT_YAML_VALUES = 100000,  // in one file, including keys
    LIMIT_LIST_BYTES = 1 << 20,  // of a file of choices or of a sweep's values
    LIMIT_LIST_LINES = 65536,    // choices of a variable, values of a sweep
    LIMIT_LINKS = 40,            // symbolic links on the way to a file that another file names
};

// The command line.
enum {
    LIMIT_OPTION_TIMES = 64, // uses of one repeatable option
    LIMIT_CHOICE_NAMES = 63, // of an option, a parameter, a field
};

// Threads that compute, whatever OMP_NUM_THREADS and OMP_STACKSIZE say.
enum {
    LIMIT_THREADS = 64,               // or as many as there are processors
    LIMIT_STACK_LEAST_MEGABYTES = 1,  // of a thread; with less, or more than the next, it gets 8
    LIMIT_STACK_MOST_MEGABYTES = 1024,
};

// Pictures.
enum {
    LIMIT_PICTURE_BYTES = 256 << 20, // of a picture file, of any format
    LIMIT_PICTURE_SIDE = 16384,      // pixels: width, height
    LIMIT_PICTURE_PIXELS = 64 << 20, // width times height
    LIMIT_PICTURE_FRAMES = 10000,    // or pages; only the first is looked at
    LIMIT_VECTOR_SIDE = 512,         // pixels: smaller SVG drawings are enlarged to this
    LIMIT_PNG_TEXT_BYTES = 32 << 20, // of a PNG's text chunk, decompressed
    LIMIT_START_SIDE = 1024,         // pixels: of a picture to start from, and of its mask
    LIMIT_REFERENCE_SIDE = 512,      // pixels: larger references are reduced
};

// Decoding a picture in the sandbox (loaders/look.h, sandbox/sandbox.h).
enum {
    LIMIT_LOOK_SECONDS = 20,         // to decode a picture
    LIMIT_LOOK_VECTOR_MS = 1000,     // of processor time, for an SVG
    LIMIT_LOOK_MEGABYTES = 2000,     // that decoding may use beyond what the process has
    LIMIT_LETTERS_BYTES = 4096,      // of a label; of a longer one both ends are drawn
    LIMIT_RESULT_SIDE = 2048,        // pixels: of a worker's picture that is shown at once
    LIMIT_RESULT_SECONDS = 2,        // to decode it
    LIMIT_SANDBOX_DESCRIPTORS = 64,  // open files of a child
};

// Loaders (loaders/host.h). $LIMN_LOADER_SECONDS and $LIMN_LOADER_MEMORY change the seconds and
// megabytes.
enum {
    LIMIT_LOADER_PARAMS = 16,
    LIMIT_LOADER_NAME_BYTES = 31,      // its name and its parameters' names
    LIMIT_LOADER_ROLE_BYTES = 63,
    LIMIT_LOADER_SUMMARY_BYTES = 255,  // and each parameter's help
    LIMIT_LOADER_CHOICES_BYTES = 511,  // of one parameter, with the bars between them
    LIMIT_LOADER_LOAD_MS = 5000,       // for the file to be loaded and described
    LIMIT_LOADER_SECONDS = 60,         // one run
    LIMIT_LOADER_MEGABYTES = 2000,     // that one run may use beyond what the process has
};

// Instructions, templates, jobs, sweeps.
enum {
    LIMIT_INSTRUCTION_BYTES = 4096, // after a template's {{variables}} are filled in
    LIMIT_INSTRUCTION_REFERENCES = 10, // a model may take fewer
    LIMIT_INSTRUCTION_MARKER = 99, // markers are 1..99; a model's vocabulary may hold fewer
    LIMIT_TEMPLATE_VARIABLES = 64,
    LIMIT_TEMPLATE_SETTINGS = 16, // of a reference's loader
    LIMIT_SWEEP_AXES = 3,
    LIMIT_SWEEP_CELLS = 256,
    LIMIT_JOB_PICTURES = 64,
    LIMIT_JOB_AWAY = 8,            // pictures to steer away from
    LIMIT_JOB_INPUTS = LIMIT_INSTRUCTION_REFERENCES + LIMIT_JOB_AWAY + 2, // a start and a mask
};

// JSON, themes, keys, scripts, training logs.
enum {
    LIMIT_JSON_FILE_BYTES = 64 << 20,
    LIMIT_JSON_VALUES = 2000000,   // in any text
    LIMIT_PICTURE_VALUES = 100000, // in a picture's text
    LIMIT_THEME_BYTES = 64 << 10,
    LIMIT_KEYS_BYTES = 64 << 10,
    LIMIT_SCRIPT_BYTES = 1 << 20, // of the UI, limn --script
    LIMIT_PATTERN_BYTES = 400,    // a regular expression of a script
    LIMIT_PATTERN_GROUPS = 40,    // in it
    LIMIT_PATTERN_NESTING = 3,    // repetitions inside repetitions: ((x+)?)* has three, as has x+?*
    LIMIT_PATTERN_TIMES = 1000,   // the product of its {} counts
    LIMIT_TRAINLOG_LINE_BYTES = 16384,
    LIMIT_TRAINLOG_TASKS = 16,
};

// Model folders.
enum {
    LIMIT_SAFETENSORS_HEADER_BYTES = 64 << 20,
    LIMIT_SAFETENSORS_TENSORS = 100000, // in all shards
    LIMIT_SAFETENSORS_SHARDS = 1000,
    LIMIT_SCHEDULER_CONFIG_BYTES = 1 << 20,
    LIMIT_HUB_BYTES = 16 << 20, // of a hub's description of a model
    LIMIT_HUB_FILE_MEGABYTES = 1 << 20, // of a file there; larger ones are not there for limn
    LIMIT_LORAS = 16, // LoRA files applied at once
    LIMIT_LORA_CHANGES = 8192, // weights that one LoRA file changes
    LIMIT_SCHEDULER_STEPS = 100000, // training steps that a scheduler's config may give
};

// Captioned pictures, packs and indexes.
enum {
    LIMIT_SOURCE_DEPTH = 16, // folders within folders
    LIMIT_SOURCE_FILES = 20000000,
    LIMIT_CAPTION_FILE_BYTES = 1 << 20,
    LIMIT_CAPTION_BYTES = 400,  // longer ones are cut at a word
    LIMIT_KEYWORDS_BYTES = 800, // the same
    LIMIT_CATALOGUE_BYTES = 64 << 20,
    LIMIT_TAR_NAME_BYTES = 4096,
    LIMIT_TAR_ENTRIES = 20000000,
    LIMIT_PACK_SIDE = 1024, // pixels
    LIMIT_PACK_ROLES = 8,
    LIMIT_INDEX_PICTURES = 8000000,
    LIMIT_CLUSTER_PICTURES = 64, // of a cluster in a pack
    LIMIT_INDEX_DIMENSION = 1024, // of an index's vectors
    LIMIT_INDEX_FEATURES = 1 << 17, // of a model, from which vectors are made
    LIMIT_INDEX_STYLES = 256,
    LIMIT_INDEX_TEXT_BYTES = 1024,       // source or credit of a picture in an index
    LIMIT_INDEX_IMAGE_BYTES = 1 << 20,   // a picture in an index
    LIMIT_INDEX_ROW_BYTES = 8 << 20,     // of a row in an index's tables
};

// Between limn and a worker, here or on another machine.
enum {
    LIMIT_WIRE_HEAD_BYTES = 4 << 20,      // of JSON
    LIMIT_WIRE_VALUES = 100000,           // in it
    LIMIT_WIRE_PAYLOAD_BYTES = 512 << 20, // after it; less for some types
    LIMIT_WIRE_NOISE_BYTES = 64 << 10,    // that a login shell may print before the worker speaks
    LIMIT_WORKER_BLOBS = 256,             // files that a worker keeps; the oldest are dropped
    LIMIT_WORKER_BLOB_BYTES = 512 << 20,  // of all of them together
    LIMIT_CLIENT_BLOBS = 64,              // files kept until a worker requests them
    LIMIT_ORDER_WORDS = 256,
    LIMIT_ORDER_RESULTS = 8,
    LIMIT_ORDER_ENVIRONMENT = 32,
    LIMIT_ORDER_RESULT_BYTES = 64 << 20,  // of a file that a command returns
    LIMIT_ORDER_FILE_BYTES = 64 << 20,    // of a file sent with a command
};

// What a worker may send (docs/worker.md).
enum {
    LIMIT_HOST_PICTURE_BYTES = 64 << 20,     // a finished picture, or a file that a command made
    LIMIT_HOST_PREVIEW_BYTES = 16 << 20,     // all pictures of a step
    LIMIT_HOST_PIECE_BYTES = 1 << 20,        // of a file, of a command's output
    LIMIT_HOST_LINE_BYTES = 4096,            // of text
    LIMIT_HOST_LIST = 4096,                  // entries of a list; the rest are dropped
    LIMIT_HOST_STEPS = 1000000,
    LIMIT_HOST_LOGS_A_SECOND = 50,           // more are only counted
    LIMIT_HOST_REFUSED = 100,                // messages; one more ends the connection
    LIMIT_HOST_EVENTS_A_TURN = 64,           // handled before keys and signals are checked
    LIMIT_COPIED_LOG_BYTES = 64 << 20,       // of a training run on another machine
    LIMIT_COPIED_SHEET_BYTES = 16 << 20,     // of one of its sheets
    LIMIT_COPIED_RUNS = 64,                  // runs kept for one machine, the newest
    LIMIT_TRAINLOG_BYTES = 1 << 30,          // of any training log
    LIMIT_FRAMES_BYTES = 64 << 20,           // preview pictures of earlier steps
};

// Browsing folders.
enum {
    LIMIT_BROWSER_ENTRIES = 20000, // pictures and folders shown; more are reported
    LIMIT_LIBRARY_DEPTH = 4, // nested folders searched for pictures
};

#endif
