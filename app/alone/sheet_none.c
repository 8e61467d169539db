// SPDX-License-Identifier: MIT
// limn-engine writes no pictures: sheets are drawn elsewhere, from the model that it trained.
#include "app/job/sheet.h"

bool
sheet_can_draw(void)
{
    return false;
}

bool
sheet_draw(const struct sheet_params *p, struct err *err)
{
    (void)p;
    return err_set(err, ERR_UNSUPPORTED,
                   "limn-engine draws no sheets: limn train RECIPE --sheet FILE.png "
                   "--model DIR does, where limn is installed");
}
