/* order_news.h - that orders have ended, told as events of their machines. */
#ifndef BOOT_HANDLER_HTTP_ORDER_NEWS_H
#define BOOT_HANDLER_HTTP_ORDER_NEWS_H

#include "boot_handler/http/services.h"

/* Tells of those that have ended and were not told of yet, in the name of whom the thread acts for;
 * their number. */
unsigned order_news_tell(struct services *services);

/* Ends those whose time is over, and tells of them. When to come again, in ms; -1: not before it is
 * woken. */
int order_news_round(struct services *services);

/* An order was handed out: whoever calls order_news_round() is to know by when it ends. */
void order_news_begun(struct services *services);

#endif
