// SPDX-License-Identifier: MIT
#include "app/ui/finding.h"

#include <stdlib.h>

#include "app/ui/ui.h"
#include "engine/base/mem.h"

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct finding *f = (struct finding *)w;
    const struct library_filter wanted = {.search = f->search, .sort = f->sort, .limit = f->limit};
    if (library && !atomic_load(stopping))
        library_query(library, &wanted, &f->list, &f->err);
}

static void
done(struct ui *ui, struct work *w)
{
    struct finding *f = (struct finding *)w;
    f->then(ui, f);
}

static void
release(struct work *w)
{
    struct finding *f = (struct finding *)w;
    library_list_free(&f->list);
    free(f->search);
    free(f);
}

void
finding_begin(struct ui *ui, const char *search, enum library_sort sort, int limit,
              void (*then)(struct ui *ui, struct finding *f), int64_t number)
{
    if (!ui_library(ui))
        return;
    struct finding *f = mem_zalloc(sizeof *f);
    f->work = (struct work){.run = run, .done = done, .release = release};
    f->search = mem_strdup(search);
    f->sort = sort;
    f->limit = limit;
    f->then = then;
    f->number = number;
    background_put(ui_chores(ui), &f->work);
}
