// SPDX-License-Identifier: MIT
// The only file that includes sentencepiece.
#include "engine/text/tokenizer.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

extern "C" {
#include "engine/base/file.h"
}

namespace {

constexpr int kExtraIds = 100;
constexpr int kMarkerLimit = 99;
constexpr size_t kTextMax = 1 << 20;   // bytes
constexpr size_t kModelMax = 64 << 20; // bytes

bool
valid_utf8(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = static_cast<unsigned char>(text[i]);
        size_t len = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3
                   : c >= 0xF0 && c < 0xF5 ? 4 : 0;
        if (len == 0 || i + len > n)
            return false;
        uint32_t code = len == 1 ? c : c & (0x7Fu >> len);
        for (size_t k = 1; k < len; k++) {
            unsigned char d = static_cast<unsigned char>(text[i + k]);
            if ((d & 0xC0) != 0x80)
                return false;
            code = code << 6 | (d & 0x3Fu);
        }
        if ((len == 3 && code < 0x800) || (len == 4 && (code < 0x10000 || code > 0x10FFFF)) ||
            (code >= 0xD800 && code < 0xE000))
            return false;
        i += len;
    }
    return true;
}

} // namespace

struct tokenizer {
    sentencepiece::SentencePieceProcessor sp;
    int markers[kMarkerLimit + 1]; // id by k, -1: none
    bool own_markers;              // sentencepiece splits them itself
    int extra;                     // ids behind the pieces of the file
    int pad, end;
};

namespace {

// The next "[ref#k]" at or after `from`; npos when there is none.
size_t
find_marker(const std::string &text, size_t from, size_t *length, int *marker)
{
    for (size_t at = text.find("[ref#", from); at != std::string::npos;
         at = text.find("[ref#", at + 1)) {
        size_t i = at + 5;
        int k = 0;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9' && i < at + 7)
            k = 10 * k + (text[i++] - '0');
        if (i > at + 5 && i < text.size() && text[i] == ']' && k >= 1) {
            *length = i + 1 - at;
            *marker = k;
            return at;
        }
    }
    return std::string::npos;
}

bool
append_pieces(const tokenizer *t, const std::string &text, std::vector<int> *ids)
{
    std::vector<int> more;
    if (!t->sp.Encode(text, &more).ok())
        return false;
    ids->insert(ids->end(), more.begin(), more.end());
    return true;
}

bool
encode(const tokenizer *t, const std::string &text, std::vector<int> *ids)
{
    if (t->own_markers)
        return append_pieces(t, text, ids);
    size_t at = 0, length = 0;
    int marker = 0;
    for (size_t next; (next = find_marker(text, at, &length, &marker)) != std::string::npos;
         at = next + length) {
        if (next > at && !append_pieces(t, text.substr(at, next - at), ids))
            return false;
        ids->push_back(t->markers[marker]);
    }
    return at >= text.size() || append_pieces(t, text.substr(at), ids);
}

// sentencepiece throws on some damaged models (a piece of no length). `why` says what is wrong.
bool
load(tokenizer *t, const std::string &bytes, std::string *why)
{
    try {
        auto status = t->sp.LoadFromSerializedProto(bytes);
        *why = status.ToString();
        return status.ok();
    } catch (const std::exception &e) {
        *why = e.what();
        return false;
    }
}

} // namespace

extern "C" struct tokenizer *
tokenizer_open(const char *path, struct err *err)
{
    // Read here: sentencepiece's own reader throws on folders.
    size_t bytes = 0;
    char *data = file_read(path, kModelMax, &bytes, err);
    if (!data)
        return nullptr;
    tokenizer *t = new tokenizer;
    std::string why;
    bool ok = load(t, std::string(data, bytes), &why);
    free(data);
    if (!ok) {
        err_set(err, ERR_INPUT, "%s: not a sentencepiece model (%.200s)", path, why.c_str());
        delete t;
        return nullptr;
    }
    t->own_markers = t->sp.PieceToId("[ref#1]") != t->sp.unk_id();
    t->extra = t->own_markers ? 0 : kExtraIds;
    int size = t->sp.GetPieceSize();
    for (int k = 0; k <= kMarkerLimit; k++) {
        int id = t->sp.PieceToId("[ref#" + std::to_string(k) + "]");
        t->markers[k] = t->own_markers ? (id == t->sp.unk_id() ? -1 : id) : size + kExtraIds - 1 - k;
    }
    t->markers[0] = -1;
    t->pad = t->sp.pad_id() >= 0 ? t->sp.pad_id() : 0;
    t->end = t->sp.eos_id() >= 0 ? t->sp.eos_id() : 1;
    return t;
}

extern "C" void
tokenizer_close(struct tokenizer *t)
{
    delete t;
}

extern "C" int
tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids, int max,
                 struct err *err)
{
    size_t n = strlen(text);
    std::vector<int> all;
    if (n > kTextMax) {
        err_set(err, ERR_INPUT, "the text has %zu bytes, the limit is %zu", n, kTextMax);
        return -1;
    }
    if (!valid_utf8(text, n) || !encode(t, std::string(text, n), &all)) {
        err_set(err, ERR_INPUT, "the text is not valid UTF-8");
        return -1;
    }
    int count = static_cast<int>(all.size()) + 1;
    for (int i = 0; i < max; i++)
        ids[i] = i < count - 1 ? all[static_cast<size_t>(i)] : i == count - 1 ? t->end : t->pad;
    if (count > max && max > 0)
        ids[max - 1] = t->end;
    return count;
}

extern "C" char *
tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int count)
{
    std::string text;
    std::vector<int> run;
    auto flush = [&] {
        std::string part;
        if (!run.empty() && t->sp.Decode(run, &part).ok())
            text += part;
        run.clear();
    };
    for (int i = 0; i < count && ids[i] != t->end; i++) {
        if (ids[i] == t->pad)
            continue;
        if (ids[i] >= 0 && ids[i] < t->sp.GetPieceSize()) {
            run.push_back(ids[i]);
        } else {
            flush();
            text += "[ref#" + std::to_string(tokenizer_vocab_size(t) - 1 - ids[i]) + "]";
        }
    }
    flush();
    char *copy = static_cast<char *>(malloc(text.size() + 1));
    if (copy)
        memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

extern "C" int
tokenizer_vocab_size(const struct tokenizer *t)
{
    return t->sp.GetPieceSize() + t->extra;
}

extern "C" int
tokenizer_pad_id(const struct tokenizer *t)
{
    return t->pad;
}

extern "C" int
tokenizer_end_id(const struct tokenizer *t)
{
    return t->end;
}

extern "C" int32_t
tokenizer_marker_id(const struct tokenizer *t, int marker)
{
    return marker >= 1 && marker <= kMarkerLimit ? t->markers[marker] : -1;
}

extern "C" int
tokenizer_marker_max(const struct tokenizer *t)
{
    int k = 0;
    while (k < kMarkerLimit && t->markers[k + 1] >= 0)
        k++;
    return k;
}
