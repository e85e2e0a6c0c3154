/* definition_news.h - what is another definition than before, as events of its machine: that it
 * came, changed or went, and what is wrong with it from now on.
 */
#ifndef BOOT_HANDLER_HTTP_DEFINITION_NEWS_H
#define BOOT_HANDLER_HTTP_DEFINITION_NEWS_H

#include "boot_handler/http/services.h"

/* Of one change of the folder at most so many problems are told. */
#define DEFINITION_PROBLEMS_TOLD 100

/* One thread. */
void definition_news_tell(
    struct services *services, const struct vm_snapshot *before, const struct vm_snapshot *after);

#endif
