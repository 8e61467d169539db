// SPDX-License-Identifier: MIT
// sentencepiece's unigram models, T5's and limn's own. The only file that includes the library.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

extern "C" {
#include "engine/base/file.h"
#include "engine/base/mem.h"
}
#include "engine/text/tokenizer_kind.h"

namespace {

using sentencepiece::SentencePieceProcessor;

constexpr int kExtraIds = 100;
constexpr size_t kModelMax = 64 << 20; // bytes

const char *const kFiles[] = {"spiece.model", "tokenizer_config.json", nullptr};

// sentencepiece throws on some damaged models (a piece of no length). `why` says what is wrong with
// it; nothing is where memory ran out.
bool
load(SentencePieceProcessor *sp, const std::string &bytes, std::string *why)
{
    try {
        auto status = sp->LoadFromSerializedProto(bytes);
        *why = status.ToString();
        return status.ok();
    } catch (const std::bad_alloc &) {
        why->clear();
        return false;
    } catch (const std::exception &e) {
        *why = e.what();
        return false;
    }
}

void
find_out(const SentencePieceProcessor &sp, struct tokenizer_facts *facts)
{
    int size = sp.GetPieceSize(), unknown = sp.unk_id();
    facts->whole = sp.PieceToId("[ref#1]") != unknown;
    facts->vocab = size + (facts->whole ? 0 : kExtraIds);
    facts->markers[0] = -1;
    for (int k = 1; k <= LIMIT_INSTRUCTION_MARKER; k++) {
        int id = sp.PieceToId("[ref#" + std::to_string(k) + "]");
        facts->markers[k] = !facts->whole ? size + kExtraIds - 1 - k : id == unknown ? -1 : id;
    }
    facts->pad = sp.pad_id() >= 0 ? sp.pad_id() : 0;
    facts->end = sp.eos_id() >= 0 ? sp.eos_id() : 1;
}

void *
open_model(const char *path, struct tokenizer_facts *facts, struct err *err)
{
    // Read here: sentencepiece's own reader throws on folders.
    size_t bytes = 0;
    char *data = file_read(path, kModelMax, &bytes, err);
    if (!data)
        return nullptr;
    auto *sp = new SentencePieceProcessor;
    std::string why;
    bool ok = load(sp, std::string(data, bytes), &why);
    free(data);
    if (ok) {
        find_out(*sp, facts);
        return sp;
    }
    if (why.empty())
        err_set(err, ERR_MEMORY, "%s: not enough memory to read it", path);
    else
        err_set(err, ERR_INPUT, "%s: not a sentencepiece model (%.200s)", path, why.c_str());
    delete sp;
    return nullptr;
}

void
close_model(void *own)
{
    delete static_cast<SentencePieceProcessor *>(own);
}

bool
encode(const void *own, const char *text, size_t size, struct tokenizer_ids *ids)
{
    auto *sp = static_cast<const SentencePieceProcessor *>(own);
    std::vector<int> more;
    if (!sp->Encode(std::string(text, size), &more).ok())
        return false;
    size_t count = static_cast<size_t>(ids->count) + more.size();
    ids->list = static_cast<int32_t *>(mem_realloc(ids->list, (count + 1) * sizeof *ids->list));
    for (int id : more)
        ids->list[ids->count++] = id;
    ids->capacity = ids->count + 1;
    return true;
}

char *
decode(const void *own, const int32_t *ids, int count)
{
    auto *sp = static_cast<const SentencePieceProcessor *>(own);
    std::vector<int> known;
    std::string text;
    for (int i = 0; i < count; i++)
        if (ids[i] >= 0 && ids[i] < sp->GetPieceSize())
            known.push_back(ids[i]);
    return sp->Decode(known, &text).ok() ? mem_strdup(text.c_str()) : nullptr;
}

} // namespace

// In the order of struct tokenizer_kind.
extern "C" const struct tokenizer_kind tokenizer_sentencepiece = {
    "sentencepiece", kFiles, open_model, close_model, encode, decode, nullptr, 0,
};
