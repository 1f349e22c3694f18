/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top on a whole terminal; see top_screen.h. All that comes from outside was escaped where it came
 * in, is cut to its place here, and goes to the screen through put(), nothing else does.
 */
#include "output/top_screen.h"

#include <errno.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/terminal.h"
#include "base/text.h"
#include "output/ledger_bar.h"
#include "output/top_columns.h"

#define FILTER_MAX 64
#define ESCAPE	   27
/* An Escape that begins no key, ms: what ssh over the world needs. */
#define ESCAPE_DELAY 50
/* Below these there is no room for a legend. */
#define LEGEND_LINES_LEAST 12
/* Readable but without a key, so often in a row: the terminal is gone. */
#define EMPTY_READS_MAX 64

/* Colour pairs: 1 + a state; behind them: */
enum { PAIR_ALARM = 1 + ACCOUNT_STATES, PAIR_WARNING };

struct top_screen {
	SCREEN *terminal;
	enum bar_colours colours;
	struct top_arrangement how;
	char filter[FILTER_MAX];
	bool is_typing, is_paused, shows_help;
	unsigned empty_reads;
	/* The row under the cursor; once the cursor was moved it stays with its container. */
	size_t at, first;
	bool follows;
	const struct container *chosen;
	char *chosen_name;
	const struct container *opened;
	size_t first_thread;
};

static const struct {
	const char *keys, *what;
} key_help[] = {
	{ "up down PgUp PgDn", "choose a row" },
	{ "Enter", "open: threads, stacks" },
	{ "Esc Backspace q", "back" },
	{ "< >", "sort by another column" },
	{ "r", "turn the order round" },
	{ "/", "show only what has ..." },
	{ "t", "group containers by pod" },
	{ "u", "without units and host" },
	{ "space", "hold still, go on" },
	{ "? h", "this help" },
	{ "q Ctrl-C", "leave" },
};
#define KEYS_WIDTH 18
#define HELP_LEFT  46 /* the column of the states, that of their summaries behind it */
#define HELP_STATE 14
/* The longest summary of a state; for narrower screens there are these, of 20 columns. */
#define SUMMARY_MOST 52
static const char *const short_summaries[ACCOUNT_STATES] = {
	[ACCOUNT_USER] = "its own code",	  [ACCOUNT_KERNEL] = "in the kernel for it",
	[ACCOUNT_RUNNABLE] = "waits for a CPU",	  [ACCOUNT_THROTTLED] = "stopped by its quota",
	[ACCOUNT_DISK] = "disk, file system",	  [ACCOUNT_NETWORK] = "the end of a socket",
	[ACCOUNT_LOCK] = "lock, other thread",	  [ACCOUNT_PIPE] = "the end of a pipe",
	[ACCOUNT_MEMORY] = "reclaim, swap",	  [ACCOUNT_CHILD] = "a child process",
	[ACCOUNT_OTHER] = "anything else",	  [ACCOUNT_IDLE] = "nothing to do",
	[ACCOUNT_UNACCOUNTED] = "nobody saw how",
};

/* --- the terminal --- */

static void set_colours(struct top_screen *s)
{
	s->colours = bar_colours_of_terminal();
	if (s->colours == BAR_PLAIN || !has_colors() || start_color() == ERR || COLORS < 8 ||
	    COLOR_PAIRS <= PAIR_WARNING) {
		s->colours = BAR_PLAIN;
		return;
	}
	s->colours = COLORS >= 256 ? BAR_256 : BAR_8;
	use_default_colors();
	for (int i = 0; i < ACCOUNT_STATES; i++) {
		const struct state_look *look = &state_looks[i];

		if (s->colours == BAR_256)
			init_pair((short)(1 + i), look->ink256, look->ansi256);
		else
			init_pair((short)(1 + i), look->ink8, look->ansi8);
	}
	init_pair(PAIR_ALARM, COLOR_RED, -1);
	init_pair(PAIR_WARNING, COLOR_YELLOW, -1);
}

int top_screen_open(enum top_key key, struct top_screen **out)
{
	struct top_screen *s;
	SCREEN *terminal;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	/* ncurses makes do with one that prints line by line; nobody could read it. */
	if (!terminal_is_screen(STDOUT_FILENO))
		return -EINVAL;
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return -EINVAL;
	s = xcalloc(1, sizeof(*s));
	s->terminal = terminal;
	s->how.key = key;
	s->how.filter = s->filter;
	cbreak(); /* Ctrl-C stays a signal */
	noecho();
	nonl(); /* Return and Ctrl-J are told apart, and cursor moves are cheaper */
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_DELAY);
	curs_set(0);
	set_colours(s);
	*out = s;
	return 0;
}

void top_screen_close(struct top_screen *s)
{
	if (!s)
		return;
	endwin();
	delscreen(s->terminal);
	free(s->chosen_name);
	free(s);
}

bool top_screen_is_paused(const struct top_screen *s)
{
	return s->is_paused;
}

const struct container *top_screen_opened(const struct top_screen *s)
{
	return s->opened;
}

/* --- keys --- */

static void choose(struct top_screen *s, const struct top_rows *rows, size_t at)
{
	s->at = top_rows_count(rows) ? MIN(at, top_rows_count(rows) - 1) : 0;
	s->follows = true;
	/* Whom the cursor follows is noted when it is drawn: only then the row is known. */
	s->chosen = NULL;
	free(s->chosen_name);
	s->chosen_name = NULL;
}

static size_t page(void)
{
	return (size_t)MAX(LINES - 6, 1);
}

static size_t minus(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* True if it was a key that moves. */
static bool move_in_list(struct top_screen *s, const struct top_rows *rows, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		choose(s, rows, minus(s->at, 1));
		return true;
	case KEY_DOWN:
	case 'j':
		choose(s, rows, s->at + 1);
		return true;
	case KEY_PPAGE:
		choose(s, rows, minus(s->at, page()));
		return true;
	case KEY_NPAGE:
		choose(s, rows, s->at + page());
		return true;
	case KEY_HOME:
	case 'g':
		choose(s, rows, 0);
		s->follows = false; /* the top stays the top */
		return true;
	case KEY_END:
	case 'G':
		choose(s, rows, SIZE_MAX);
		return true;
	default:
		return false;
	}
}

static void move_in_threads(struct top_screen *s, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		s->first_thread = minus(s->first_thread, 1);
		break;
	case KEY_DOWN:
	case 'j':
		s->first_thread++;
		break;
	case KEY_PPAGE:
		s->first_thread = minus(s->first_thread, page() / 2);
		break;
	case KEY_NPAGE:
		s->first_thread += page() / 2;
		break;
	case KEY_HOME:
	case 'g':
		s->first_thread = 0;
		break;
	default:
		break;
	}
}

/* To the next column that sorts; what a machine has no figures of is passed over. */
static void sort_by_next(struct top_screen *s, const struct top_rows *rows, int step)
{
	do
		s->how.key = (enum top_key)(((int)s->how.key + step + TOP_KEYS) % TOP_KEYS);
	while ((s->how.key == TOP_BY_IO && !top_rows_have_io(rows)) ||
	       (s->how.key == TOP_BY_NET && !top_rows_have_net(rows)));
}

static void open_chosen(struct top_screen *s, struct top_rows *rows)
{
	const struct top_row *row;

	if (s->at >= top_rows_count(rows))
		return;
	row = top_rows_get(rows, s->at);
	if (!row->container)
		return; /* a pod, or the kernel: what is in them are rows or nobody's */
	s->opened = row->container;
	s->first_thread = 0;
}

static void type(struct top_screen *s, int key)
{
	size_t n = strlen(s->filter);

	if (key == '\r' || key == '\n' || key == KEY_ENTER) {
		s->is_typing = false;
	} else if (key == ESCAPE) {
		s->is_typing = false;
		s->filter[0] = '\0';
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		/* All bytes of the last character. */
		while (n && ((unsigned char)s->filter[n - 1] & 0xc0) == 0x80)
			n--;
		s->filter[minus(n, 1)] = '\0';
	} else if (key >= ' ' && key < 256 && n + 1 < sizeof(s->filter)) {
		s->filter[n] = (char)key;
		s->filter[n + 1] = '\0';
	}
}

static bool list_key(struct top_screen *s, struct top_rows *rows, int key)
{
	switch (key) {
	case 'q':
		return false;
	case '\r':
	case '\n':
	case KEY_ENTER:
		open_chosen(s, rows);
		break;
	case ESCAPE:
		s->filter[0] = '\0';
		break;
	case '<':
	case ',':
		sort_by_next(s, rows, -1);
		break;
	case '>':
	case '.':
		sort_by_next(s, rows, 1);
		break;
	case 'r':
		s->how.reversed = !s->how.reversed;
		break;
	case '/':
		s->is_typing = true;
		s->filter[0] = '\0';
		break;
	case 't':
		s->how.tree = !s->how.tree;
		break;
	case 'u':
		s->how.only_containers = !s->how.only_containers;
		break;
	default:
		move_in_list(s, rows, key);
	}
	return true;
}

static void open_key(struct top_screen *s, int key)
{
	if (key == ESCAPE || key == 'q' || key == KEY_BACKSPACE || key == 127 || key == '\b' ||
	    key == KEY_LEFT)
		s->opened = NULL;
	else
		move_in_threads(s, key);
}

static bool take_key(struct top_screen *s, struct top_rows *rows, int key)
{
	if (key == KEY_RESIZE)
		return true; /* drawing asks for the size each time */
	if (s->shows_help) {
		s->shows_help = false;
		return true;
	}
	if (s->is_typing) {
		type(s, key);
		return true;
	}
	if (key == '?' || key == 'h') {
		s->shows_help = true;
		return true;
	}
	if (key == ' ') {
		s->is_paused = !s->is_paused;
		return true;
	}
	if (key == 12) { /* Ctrl-L: somebody else wrote to the terminal */
		clearok(curscr, TRUE);
		return true;
	}
	if (s->opened) {
		open_key(s, key);
		return true;
	}
	return list_key(s, rows, key);
}

bool top_screen_keys(struct top_screen *s, struct top_rows *rows)
{
	int key = getch();

	s->empty_reads = key == ERR ? s->empty_reads + 1 : 0;
	for (; key != ERR; key = getch())
		if (!take_key(s, rows, key))
			return false;
	return s->empty_reads < EMPTY_READS_MAX;
}

/* --- drawing: the pieces --- */

/* Text, already escaped, in `width` columns at most; what does not fit on the screen is cut. */
static void put(int y, int x, attr_t attributes, const char *text, int width, bool right)
{
	_cleanup_(buffer_free) struct buffer line = { 0 };

	width = MIN(width, COLS - x);
	if (y < 0 || y >= LINES || x < 0 || width <= 0)
		return;
	text_fit(&line, text, (size_t)width, right);
	attrset(attributes);
	mvaddstr(y, x, line.data ? line.data : "");
	attrset(A_NORMAL);
}

static void put_line(int y, attr_t attributes, const char *text)
{
	put(y, 0, attributes, text, COLS, false);
}

static attr_t look_of(const struct top_screen *s, size_t state)
{
	return s->colours == BAR_PLAIN ? A_NORMAL : (attr_t)COLOR_PAIR(1 + state);
}

static void put_bar(const struct top_screen *s, int y, int x, int width,
		    const uint64_t ns[ACCOUNT_STATES])
{
	uint8_t cells[BAR_CELLS_MAX];

	width = MIN(MIN(width, COLS - x), BAR_CELLS_MAX);
	if (width <= 0 || y < 0 || y >= LINES)
		return;
	ledger_bar_cells(ns, (size_t)width, cells);
	for (int i = 0; i < width; i++) {
		bool begins = !i || cells[i] != cells[i - 1];

		if (cells[i] == BAR_EMPTY)
			continue;
		attrset(look_of(s, cells[i]));
		/* Eight colours are fewer than the states: there each cell says its letter. */
		mvaddch(y, x + i,
			begins || s->colours != BAR_256
				? (chtype)(unsigned char)state_looks[cells[i]].letter
				: (chtype)' ');
	}
	attrset(A_NORMAL);
}

/* "U user" */
static void put_key(const struct top_screen *s, int y, int x, size_t state, const char *word)
{
	const char letter[] = { state_looks[state].letter, '\0' };

	put(y, x, look_of(s, state), letter, 1, false);
	put(y, x + 2, A_NORMAL, word, (int)text_width(word), false);
}

/*
 * All states from line y on, with their shares of `ns` where given (then only those that have one).
 * Returns how many lines that takes; draws nothing but counts if `y` is negative.
 */
static int put_legend(const struct top_screen *s, int y, const uint64_t *ns, uint64_t total)
{
	int x = 1, lines = 1;

	for (enum account_state i = 0; i < ACCOUNT_STATES; i++) {
		double share = ns && total ? (double)ns[i] / (double)total : 0;
		char word[64];

		if (ns && share < 0.0005)
			continue;
		if (ns)
			snprintf(word, sizeof(word), "%s %.1f%%", account_state_name(i),
				 100 * share);
		else
			snprintf(word, sizeof(word), "%s", account_state_name(i));
		if (x + 2 + (int)strlen(word) > COLS && x > 1) {
			x = 1;
			lines++;
		}
		if (y >= 0)
			put_key(s, y + lines - 1, x, i, word);
		x += 2 + (int)strlen(word) + 2;
	}
	return lines;
}

/* --- drawing: the list --- */

static void put_title(const struct top_screen *s, const struct top_view *view)
{
	_cleanup_(buffer_free) struct buffer line = { 0 };
	char clock[16];
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&view->now, &tm));
	buffer_printf(&line, " plimsoll  ");
	escape_terminal(&line, view->host);
	buffer_printf(&line, "  %s  %zu containers  CPU %.0f%% of %u%%  every %g s", clock,
		      top_rows_containers(view->rows), 100 * top_rows_cpu(view->rows),
		      100 * view->cpus, view->interval);
	if (view->unknown)
		buffer_printf(&line, "  %llu cgroups too many", (unsigned long long)view->unknown);
	put_line(0, A_REVERSE, line.data);
	if (s->is_paused)
		put(0, MAX(COLS - 9, 0), A_REVERSE | A_BOLD, " PAUSED ", 8, false);
}

static void put_heads(const struct top_screen *s, const unsigned widths[TOP_COLUMNS])
{
	int x = 0;

	for (enum top_column i = 0; i < TOP_COLUMNS; i++) {
		const struct top_column_look *look = &top_columns[i];
		/* MAX has no order of its own. */
		bool sorts = look->key == s->how.key && i != TOP_MEMORY_LIMIT;

		if (!widths[i])
			continue;
		put(1, x, A_BOLD | (sorts ? A_REVERSE : A_UNDERLINE), look->head, (int)widths[i],
		    look->width != 0);
		x += (int)widths[i] + 1;
	}
}

/* Near or at a limit: said by colour, and bold where there is none. */
static attr_t attention(const struct top_screen *s, const struct top_row *row, enum top_column i)
{
	double level = i == TOP_OF_LIMIT    ? top_row_of_limit(row)
		       : i == TOP_THROTTLED ? (row->throttled > 0.05 ? 0.5 + row->throttled : 0)
		       : i == TOP_MEMORY && row->usage.memory_limit != UINT64_MAX
			       ? (double)row->usage.memory / (double)MAX(row->usage.memory_limit, 1)
			       : 0;
	bool plain = s->colours == BAR_PLAIN;

	if (level >= 0.9)
		return A_BOLD | (plain ? A_NORMAL : (attr_t)COLOR_PAIR(PAIR_ALARM));
	if (level >= 0.5 && !plain)
		return (attr_t)COLOR_PAIR(PAIR_WARNING);
	return A_NORMAL;
}

static void put_row(const struct top_screen *s, int y, const struct top_row *row,
		    const unsigned widths[TOP_COLUMNS], bool is_chosen)
{
	_cleanup_(buffer_free) struct buffer name = { 0 };
	int x = 0;

	buffer_printf(&name, "%s%s", row->depth ? "  " : "", row->name);
	if (is_chosen)
		put(y, 0, A_REVERSE, "", COLS, false);
	for (enum top_column i = 0; i < TOP_COLUMNS; i++) {
		attr_t look = is_chosen ? A_REVERSE : attention(s, row, i);
		char text[TEXT_SHORT];

		if (!widths[i])
			continue;
		if (i == TOP_NAME)
			put(y, x, look | (row->is_pod ? A_BOLD : A_NORMAL), name.data,
			    (int)widths[i], false);
		else if (i == TOP_LEDGER)
			put_bar(s, y, x, (int)widths[i], row->ns);
		else
			put(y, x, look, top_cell(row, i, text), (int)widths[i], true);
		x += (int)widths[i] + 1;
	}
}

/* Where the row is that the cursor follows; its name is noted when it begins to. */
static void follow(struct top_screen *s, struct top_rows *rows)
{
	size_t n = top_rows_count(rows);

	if (s->follows && s->chosen_name) {
		for (size_t i = 0; i < n; i++) {
			const struct top_row *row = top_rows_peek(rows, i);

			if (row->container == s->chosen && strcmp(row->name, s->chosen_name) == 0) {
				s->at = i;
				return;
			}
		}
	}
	s->at = n ? MIN(s->at, n - 1) : 0;
	if (s->follows && n) {
		const struct top_row *row = top_rows_peek(rows, s->at);

		s->chosen = row->container;
		free(s->chosen_name);
		s->chosen_name = xstrdup(row->name);
	}
}

static void put_foot(const struct top_screen *s, const struct top_rows *rows)
{
	_cleanup_(buffer_free) struct buffer line = { 0 };

	if (s->is_typing || s->filter[0]) {
		buffer_puts(&line, " / ");
		escape_terminal(&line, s->filter);
		if (s->is_typing)
			buffer_puts(&line, "_   Enter: keep it  Esc: all");
		else
			buffer_printf(&line, "   %zu shown  Esc: all", top_rows_count(rows));
	} else {
		buffer_printf(&line,
			      " q quit  ? help  Enter open  / filter  <> sort: %s  t tree  "
			      "space %s%s",
			      top_key_names[s->how.key], s->is_paused ? "go on" : "pause",
			      s->how.only_containers ? "  u all" : "");
	}
	put_line(LINES - 1, A_REVERSE, line.data);
}

static unsigned longest_name(const struct top_rows *rows)
{
	size_t longest = 0;

	for (size_t i = 0; i < top_rows_count(rows); i++) {
		const struct top_row *row = top_rows_peek(rows, i);

		longest = MAX(longest, text_width(row->name) + (row->depth ? 2 : 0));
	}
	return (unsigned)MIN(longest, 1000U);
}

static void draw_list(struct top_screen *s, const struct top_view *view)
{
	struct top_rows *rows = view->rows;
	unsigned widths[TOP_COLUMNS];
	int legend = LINES >= LEGEND_LINES_LEAST ? put_legend(s, -1, NULL, 0) : 0;
	size_t room = (size_t)MAX(LINES - 3 - legend, 1), n;

	top_rows_arrange(rows, &s->how);
	follow(s, rows);
	n = top_rows_count(rows);
	s->first = MIN(s->first, s->at);
	s->first = MAX(s->first, minus(s->at + 1, room));
	s->first = MIN(s->first, minus(n, room));
	/* Usage is read first: only then it is known which columns there are. */
	for (size_t i = 0; i < room && s->first + i < n; i++)
		top_rows_get(rows, s->first + i);
	top_columns_fit((unsigned)COLS, longest_name(rows), top_rows_have_io(rows),
			top_rows_have_net(rows), widths);
	put_title(s, view);
	put_heads(s, widths);
	for (size_t i = 0; i < room && s->first + i < n; i++)
		put_row(s, (int)i + 2, top_rows_get(rows, s->first + i), widths,
			s->first + i == s->at);
	if (!n)
		put(3, 2, A_NORMAL,
		    s->filter[0] ? "nothing contains that; Esc shows all" : "nobody is here (yet)",
		    COLS, false);
	if (legend)
		put_legend(s, LINES - 1 - legend, NULL, 0);
	put_foot(s, rows);
}

/* --- drawing: a container that is open --- */

static const struct top_row *row_of(struct top_rows *rows, const struct container *container)
{
	for (size_t i = 0; i < top_rows_count(rows); i++)
		if (top_rows_peek(rows, i)->container == container)
			return top_rows_get(rows, i);
	return NULL;
}

/* From line y on, as many lines as it takes; returns how many. */
static int put_figures(int y, const struct top_row *row)
{
	static const struct {
		const char *word;
		enum top_column column;
		const char *unit;
	} figures[] = {
		{ "CPU", TOP_CPU, "%" },	{ "of its limit", TOP_OF_LIMIT, "%" },
		{ "p99 wait", TOP_WAIT, "" },	{ "throttled", TOP_THROTTLED, "%" },
		{ "memory", TOP_MEMORY, "" },	{ "its limit", TOP_MEMORY_LIMIT, "" },
		{ "I/O", TOP_IO, "/s" },	{ "network", TOP_NET, "/s" },
		{ "threads", TOP_THREADS, "" },
	};
	int x = 0, lines = 1;

	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		char text[TEXT_SHORT], figure[64];
		const char *value = top_cell(row, figures[i].column, text);
		int width;

		if (strcmp(value, "-") == 0)
			continue;
		width = snprintf(figure, sizeof(figure), " %s %s%s", figures[i].word, value,
				 figures[i].unit);
		if (x + width > COLS && x) {
			x = 0;
			lines++;
		}
		put(y + lines - 1, x, A_NORMAL, figure, width, false);
		x += width + 1;
	}
	return lines;
}

static void put_open_title(const struct top_screen *s)
{
	const struct container *c = s->opened;
	_cleanup_(buffer_free) struct buffer line = { 0 };

	buffer_puts(&line, " ");
	escape_terminal(&line, c->name);
	buffer_puts(&line, "   ");
	escape_terminal(&line, c->runtime);
	if (c->image) {
		buffer_puts(&line, "  ");
		escape_terminal(&line, c->image);
	}
	if (c->pod) {
		buffer_puts(&line, "  pod ");
		escape_terminal(&line, c->namespace ? c->namespace : "-");
		buffer_puts(&line, "/");
		escape_terminal(&line, c->pod);
	}
	put_line(0, A_REVERSE, line.data);
	if (s->is_paused)
		put(0, MAX(COLS - 9, 0), A_REVERSE | A_BOLD, " PAUSED ", 8, false);
}

#define TID_WIDTH    8
#define THREAD_WIDTH 24

static void put_thread(const struct top_screen *s, int y, const struct thread_account *t,
		       uint64_t wall)
{
	_cleanup_(buffer_free) struct buffer name = { 0 };
	uint64_t running = t->ns[ACCOUNT_USER] + t->ns[ACCOUNT_KERNEL];
	char comm[17] = "", thread[17] = "", text[TEXT_SHORT];
	int x = TID_WIDTH + 1 + THREAD_WIDTH + 1;

	memcpy(comm, t->comm, sizeof(t->comm));
	memcpy(thread, t->thread, sizeof(t->thread));
	escape_terminal(&name, comm);
	if (strcmp(comm, thread) != 0) {
		buffer_puts(&name, "/");
		escape_terminal(&name, thread);
	}
	snprintf(text, sizeof(text), "%d", t->tid);
	put(y, 0, A_NORMAL, text, TID_WIDTH, true);
	put(y, TID_WIDTH + 1, A_NORMAL, name.data ? name.data : "", THREAD_WIDTH, false);
	snprintf(text, sizeof(text), "%.1f", wall ? 100.0 * (double)running / (double)wall : 0);
	put(y, x, A_NORMAL, text, 6, true);
	put_bar(s, y, x + 7, COLS - x - 7, t->ns);
}

static int put_threads(struct top_screen *s, int y, int room, const struct top_view *view)
{
	const struct top_open *open = view->open;
	char head[64];
	int shown;

	snprintf(head, sizeof(head), "%*s %-*s %6s LEDGER", TID_WIDTH, "TID", THREAD_WIDTH,
		 "THREAD", "CPU%");
	put_line(y++, A_BOLD | A_UNDERLINE, head);
	shown = (int)MIN((size_t)MAX(room - 1, 1), open->nthreads);
	s->first_thread = MIN(s->first_thread, open->nthreads - (size_t)shown);
	for (int i = 0; i < shown; i++)
		put_thread(s, y + i, &open->threads[s->first_thread + (size_t)i],
			   top_rows_wall(view->rows));
	return y + shown;
}

static void put_hot(int y, int room, const char *head, const struct top_hot *hot, size_t n)
{
	if (room < 2)
		return;
	put_line(y, A_BOLD | A_UNDERLINE, head);
	for (int i = 0; i < room - 1 && (size_t)i < n; i++) {
		char text[TEXT_SHORT];

		snprintf(text, sizeof(text), "%.1f%%", 100 * hot[i].share);
		put(y + 1 + i, 0, A_NORMAL, text, 6, true);
		put(y + 1 + i, 7, A_NORMAL, hot[i].text, COLS - 7, false);
	}
}

static void draw_open(struct top_screen *s, const struct top_view *view)
{
	const struct top_open *open = view->open;
	/* Whatever is filtered out of the list, this one is wanted. */
	const struct top_arrangement all = { .key = s->how.key };
	const struct top_row *row;
	int y = 1, room, functions;
	char head[80];

	top_rows_arrange(view->rows, &all);
	row = row_of(view->rows, s->opened);
	put_open_title(s);
	if (row) {
		y += put_figures(y, row);
		put_bar(s, y++, 0, COLS, row->ns);
		y += put_legend(s, y, row->ns, row->total);
	} else {
		put(y++, 1, A_NORMAL, "no thread of it lives (any more)", COLS, false);
	}
	room = LINES - 1 - y;
	y = put_threads(s, y, MAX(room / 2, 2), view);
	room = LINES - 1 - y;
	snprintf(head, sizeof(head), "HOTTEST FUNCTIONS  (%llu samples)",
		 (unsigned long long)open->samples);
	functions = MIN((int)open->nfunctions + 1, MAX(room / 2, 2));
	put_hot(y, functions, head, open->functions, open->nfunctions);
	if (view->open_note)
		put(y + 1, 1, A_NORMAL, view->open_note, COLS, false);
	else
		put_hot(y + functions, room - functions, "HOTTEST STACKS  (function < its caller)",
			open->stacks, open->nstacks);
	put_line(LINES - 1, A_REVERSE,
		 s->is_paused ? " Esc back  up/down threads  space go on  ? help"
			      : " Esc back  up/down threads  space pause  ? help");
}

/* --- drawing: help --- */

static void draw_help(const struct top_screen *s, const struct top_view *view)
{
	const int rows = (int)MAX(ARRAY_SIZE(key_help), (size_t)ACCOUNT_STATES);
	const bool is_wide = COLS >= HELP_LEFT + HELP_STATE + SUMMARY_MOST;
	int y = rows + 1;

	put_line(0, A_REVERSE, " plimsoll top: any key goes back");
	for (size_t i = 0; i < ARRAY_SIZE(key_help); i++) {
		put((int)i + 1, 1, A_BOLD, key_help[i].keys, KEYS_WIDTH, false);
		put((int)i + 1, KEYS_WIDTH + 2, A_NORMAL, key_help[i].what,
		    HELP_LEFT - KEYS_WIDTH - 3, false);
	}
	for (enum account_state i = 0; i < ACCOUNT_STATES; i++) {
		put_key(s, (int)i + 1, HELP_LEFT, i, account_state_name(i));
		put((int)i + 1, HELP_LEFT + HELP_STATE, A_NORMAL,
		    is_wide ? account_state_summary(i) : short_summaries[i], COLS, false);
	}
	for (enum top_column i = TOP_NAME + 1; i < TOP_COLUMNS; i++) {
		if ((i == TOP_IO && !top_rows_have_io(view->rows)) ||
		    (i == TOP_NET && !top_rows_have_net(view->rows)))
			continue;
		put(y, 1, A_BOLD, top_columns[i].head, 7, false);
		put(y++, 9, A_NORMAL, top_columns[i].help, COLS, false);
	}
}

void top_screen_draw(struct top_screen *s, const struct top_view *view)
{
	erase();
	if (s->shows_help)
		draw_help(s, view);
	else if (s->opened)
		draw_open(s, view);
	else
		draw_list(s, view);
	refresh();
}
