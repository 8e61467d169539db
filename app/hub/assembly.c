// SPDX-License-Identifier: MIT
#include "app/hub/assembly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/model/model_folder.h"
#include "engine/text/tokenizer.h"

void
assembly_finish(struct assembly *a)
{
    for (int i = 0; i < PARTS_MAX; i++) {
        free(a->files[i]);
        jv_free(a->configs[i]);
    }
    free(a->tokenizer);
}

bool
assembly_ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), k = strlen(ending);
    return n >= k && strcmp(text + n - k, ending) == 0;
}

// Files that people have beside the right ones; whatever stands before their tensors' names.
static const char *
unsupported_kind(const struct safetensors *file)
{
    static const struct {
        const char *tensor, *is;
    } known[] = {
        {"double_blocks.0.img_mod.lin.weight", "a transformer of FLUX.1"},
        {"input_blocks.0.0.weight", "a checkpoint of Stable Diffusion"},
        {"cap_embedder.1.weight", "a transformer of Z-Image"},
        {"visual.patch_embed.proj.weight", "a language model that sees (Qwen-VL)"},
        {"text_model.embeddings.token_embedding.weight", "a text encoder of CLIP"},
        {"encoder.block.0.layer.0.SelfAttention.q.weight", "a text encoder of T5"},
        {".lora_A.weight", "a LoRA (--lora takes it)"},
        {".lora_down.weight", "a LoRA (--lora takes it)"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        for (size_t k = 0; k < safetensors_count(file); k++)
            if (assembly_ends_with(safetensors_at(file, k)->name, known[i].tensor))
                return known[i].is;
    return NULL;
}

static bool
is_tokenizer(const char *path)
{
    const char *name;
    for (int i = 0; (name = tokenizer_file(i)); i++)
        if (strcmp(file_basename(path), name) == 0)
            return true;
    return false;
}

bool
assembly_is_packed(const char *path)
{
    const char *dot = strrchr(file_basename(path), '.');
    return dot && strcasecmp(dot, ".gguf") == 0;
}

bool
assembly_is_index(const char *path)
{
    return assembly_ends_with(path, ".index.json");
}

// From the root on. Links stay: the hub's cache has files whose names say nothing, and links to
// them which have the right ones.
char *
assembly_absolute(const char *path, struct err *err)
{
    char *here = *path == '/' ? mem_strdup("") : realpath(".", NULL);
    char *whole = !here ? NULL : *here ? file_join(here, path) : mem_strdup(path);
    free(here);
    if (whole && access(whole, R_OK) == 0)
        return whole;
    err_errno(err, ERR_INPUT, "%s", path);
    free(whole);
    return NULL;
}

static bool
is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// What says where a file's weights are: itself, or the index of which it is a shard.
static char *
index_of_shard(const char *path)
{
    const char *of = strstr(file_basename(path), "-of-"), *number = of;
    while (number && number > file_basename(path) && number[-1] != '-')
        number--;
    if (!of || number == file_basename(path) || !assembly_ends_with(path, ".safetensors"))
        return mem_strdup(path);
    char *index = mem_printf("%.*s.safetensors.index.json", (int)(number - 1 - path), path);
    if (file_exists(index))
        return index;
    free(index);
    return mem_strdup(path);
}

int
assembly_part(const struct family *f, const char *part)
{
    int i = 0;
    while (strcmp(f->parts[i].name, part) != 0)
        i++;
    return i;
}

// The config that lies beside weights in a model's folder, if it is of their kind: it says what
// tensors do not.
static struct jv *
config_beside(const char *path, const struct net *net)
{
    char *folder = file_folder(path), *name = file_join(folder, "config.json");
    struct jv *json = file_exists(name) ? jv_read(name, NULL) : NULL;
    if (json && !net->accepts(json)) {
        jv_free(json);
        json = NULL;
    }
    free(name);
    free(folder);
    return json;
}

// `config` is taken over.
static bool
add_part(struct assembly *a, const char *path, const struct net *net, struct jv *config,
         struct err *err)
{
    const char *part = NULL;
    const struct family *family = family_with(net, &part);
    int i = family ? assembly_part(family, part) : 0;
    bool wanted = family && (!a->only || strcmp(a->only, part) == 0);
    bool ok = !wanted || !a->files[i] ||
              err_set(err, ERR_INPUT, "%s and %s are both a %s: a model has one", a->files[i], path,
                      part);
    if (ok && wanted) {
        struct jv *beside = config_beside(path, net);
        a->family = family;
        a->files[i] = mem_strdup(path);
        a->configs[i] = beside ? beside : config;
        config = beside ? config : NULL;
    }
    jv_free(config);
    return ok;
}

// All networks that the file has: checkpoints of other programs hold several.
static bool
add_weights(struct assembly *a, const char *path, struct err *err)
{
    struct safetensors *file = safetensors_open(path, err);
    if (!file)
        return false;
    const char *unsupported = unsupported_kind(file), *part = NULL;
    struct jv *config = NULL;
    bool ok = true, found = false;
    for (const struct net *net = NULL;
         ok && !unsupported && (net = net_guess(file, net, &config));) {
        found = found || family_with(net, &part);
        ok = add_part(a, path, net, config, err);
    }
    safetensors_close(file);
    return ok &&
           (found ||
            err_set(err, ERR_INPUT,
                    "%s is %s, which is not part of any model that "
                    "limn knows",
                    path, unsupported ? unsupported : "a file of weights of an unknown kind"));
}

static bool
add_tokenizer(struct assembly *a, const char *path, struct err *err)
{
    if (a->tokenizer && strcmp(path, a->tokenizer) != 0 && !assembly_ends_with(path, "merges.txt"))
        return err_set(err, ERR_INPUT, "%s and %s are both a tokenizer", a->tokenizer, path);
    if (!a->tokenizer)
        a->tokenizer = mem_strdup(path);
    return true;
}

static char *
weights_in(const char *folder)
{
    static const char *const stems[] = {"model", "diffusion_pytorch_model"};
    char *found = NULL;
    for (size_t i = 0; i < COUNT_OF(stems) && !found; i++)
        found = model_weights_find(folder, stems[i]);
    return found;
}

// A model's part as the hub has it, or a tokenizer.
static bool
add_folder(struct assembly *a, const char *folder, struct err *err)
{
    char *weights = weights_in(folder), *words = tokenizer_find(folder);
    char *index = file_join(folder, "model_index.json");
    bool ok = file_exists(index) ? err_set(err, ERR_INPUT, "%s is a whole model: --model takes it "
                                           "as it is", folder)
              : weights ? add_weights(a, weights, err)
              : words   ? add_tokenizer(a, words, err)
                        : err_set(err, ERR_INPUT, "%s has neither weights as safetensors or GGUF "
                                  "nor a tokenizer in it", folder);
    free(index);
    free(words);
    free(weights);
    return ok;
}

bool
assembly_add_path(struct assembly *a, const char *given, struct err *err)
{
    char *path = assembly_absolute(given, err), *whole = path ? index_of_shard(path) : NULL;
    bool ok = path && (is_folder(path)      ? add_folder(a, path, err)
                       : is_tokenizer(path) ? add_tokenizer(a, path, err)
                                            : add_weights(a, whole, err));
    free(whole);
    free(path);
    return ok;
}
