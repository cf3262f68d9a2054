/*
 * Reads a line from the console with the keys that people expect of a shell: arrows, Home and End,
 * Ctrl-A B C D E F H K L N P U W, Delete, history, and Tab, for which a user of this file brings a
 * function. Used by prompt.c and mdb.c. Somebody who types a whole line at once, and no such keys,
 * sees it echoed as it is.
 */
#include "kernel/defs.h"

#define CTRL(c) ((c)&0x1f)
#define ESCAPE  0x1b
#define RUBOUT  0x7f
#define COLUMNS 80u
#define LISTED  64u /* candidates that Tab lists */

/* Keys that a terminal sends as a sequence (ECMA-48; xterm's names), beyond all characters. */
enum key {
	KEY_NONE = 256,
	KEY_UP,
	KEY_DOWN,
	KEY_RIGHT,
	KEY_LEFT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
};

struct edit {
	struct line_editor *editor;
	char *line;            /* LINE_ROOM bytes, always with its NUL */
	size_t n, at;          /* characters, and how many of them are before the cursor */
	unsigned back;         /* lines back in the history; 0: what is being typed */
	char typed[LINE_ROOM]; /* that, while the history is looked at */
};

/* ---- Keys ---- */

static enum key final_key(char final, unsigned number)
{
	static const uint16_t letters[] = {KEY_UP,   KEY_DOWN, KEY_RIGHT, KEY_LEFT,
					   KEY_NONE, KEY_END,  KEY_NONE,  KEY_HOME};
	static const uint16_t numbers[] = {KEY_NONE, KEY_HOME, KEY_NONE, KEY_DELETE, KEY_END,
					   KEY_NONE, KEY_NONE, KEY_HOME, KEY_END};

	if (final >= 'A' && final <= 'H')
		return letters[final - 'A'];
	if (final == '~' && number < sizeof(numbers) / sizeof(numbers[0]))
		return numbers[number];
	return KEY_NONE;
}

/* What follows an escape: [ or O, parameters, and a final character. */
static unsigned read_sequence(void)
{
	unsigned number = 0;
	char c = serial_get();

	if (c != '[' && c != 'O')
		return KEY_NONE;
	for (c = serial_get(); c >= ' ' && c < '@'; c = serial_get())
		if (c >= '0' && c <= '9' && number < 100)
			number = number * 10 + (unsigned)(c - '0');
	return final_key(c, number);
}

static unsigned read_key(void)
{
	char c = serial_get();

	return c == ESCAPE ? read_sequence() : (uint8_t)c;
}

/* ---- The line on the screen: none of it is for the message buffer ---- */

static void show(const char *text)
{
	while (*text)
		serial_put(*text++);
}

static size_t room(const struct edit *e)
{
	return COLUMNS - 1 - strlen(e->editor->prompt);
}

/* Draws the line again, or the part of it around the cursor. */
static void draw(const struct edit *e)
{
	size_t first = e->at > room(e) ? e->at - room(e) : 0;
	size_t n = e->n - first < room(e) ? e->n - first : room(e);

	show("\r");
	show(e->editor->prompt);
	for (size_t i = 0; i < n; i++)
		serial_put(e->line[first + i]);
	show("\033[K");
	for (size_t i = e->at - first; i < n; i++)
		serial_put('\b');
}

static void insert(struct edit *e, char c)
{
	if (e->n == LINE_ROOM - 1)
		return;
	memmove(e->line + e->at + 1, e->line + e->at, e->n - e->at + 1);
	e->line[e->at++] = c;
	if (e->at == ++e->n && e->n < room(e))
		serial_put(c);
	else
		draw(e);
}

/* Deletes what is between the cursor and that place. */
static void delete_to(struct edit *e, size_t to)
{
	size_t start = to < e->at ? to : e->at, end = to < e->at ? e->at : to;
	bool simple = end == e->n && start + 1 == end && e->at == end && e->n < room(e);

	if (start == end)
		return;
	memmove(e->line + start, e->line + end, e->n - end + 1);
	e->n -= end - start;
	e->at = start;
	if (simple)
		show("\b \b");
	else
		draw(e);
}

static void move(struct edit *e, size_t to)
{
	if (to > e->n || to == e->at)
		return;
	e->at = to;
	draw(e);
}

static size_t word_start(const struct edit *e)
{
	size_t at = e->at;

	while (at && e->line[at - 1] == ' ')
		at--;
	while (at && e->line[at - 1] != ' ')
		at--;
	return at;
}

/* ---- History ---- */

static char *past_line(struct line_editor *editor, unsigned back)
{
	return editor->history[(editor->nhistory - back) % LINE_HISTORY];
}

static void remember(struct edit *e)
{
	struct line_editor *editor = e->editor;

	if (!e->n || (editor->nhistory && strcmp(past_line(editor, 1), e->line) == 0))
		return;
	memcpy(editor->history[editor->nhistory % LINE_HISTORY], e->line, e->n + 1);
	editor->nhistory++;
}

static void recall(struct edit *e, unsigned back)
{
	const struct line_editor *editor = e->editor;
	unsigned kept = editor->nhistory < LINE_HISTORY ? editor->nhistory : LINE_HISTORY;

	if (back > kept)
		return;
	if (!e->back)
		memcpy(e->typed, e->line, e->n + 1);
	e->back = back;
	ksnprintf(e->line, LINE_ROOM, "%s", back ? past_line(e->editor, back) : e->typed);
	e->n = e->at = strlen(e->line);
	draw(e);
}

/* ---- Tab ---- */

/* For the editor's complete(): something that could stand there. Others than those are ignored. */
void line_offer(struct completion *completion, const char *candidate)
{
	size_t n = 0, have = strlen(candidate);

	if (have >= LINE_ROOM || strncmp(candidate, completion->word, completion->length) != 0)
		return;
	if (completion->list) {
		if (completion->n++ < LISTED)
			show(candidate), show("  ");
		return;
	}
	if (!completion->n++) {
		memcpy(completion->common, candidate, have + 1);
		return;
	}
	while (completion->common[n] && completion->common[n] == candidate[n])
		n++;
	completion->common[n] = '\0';
}

/* Asks for what could stand at the cursor. word is a copy of the line up to there. */
static void ask(struct edit *e, struct completion *completion, char *word)
{
	size_t start = word_start(e);

	memcpy(word, e->line, e->at);
	word[e->at] = '\0';
	if (e->at && word[e->at - 1] == ' ')
		start = e->at;
	completion->line = word;
	completion->word = word + start;
	completion->length = e->at - start;
	e->editor->complete(completion);
}

static void list(struct edit *e)
{
	struct completion completion = {.list = true};
	char word[LINE_ROOM];

	show("\n");
	ask(e, &completion, word);
	if (completion.n > LISTED)
		kprintf("and %u more", completion.n - LISTED);
	show("\n");
	draw(e);
}

static void complete(struct edit *e)
{
	struct completion completion = {0};
	char word[LINE_ROOM];
	size_t length;

	if (!e->editor->complete)
		return;
	ask(e, &completion, word);
	length = completion.length;
	if (!completion.n)
		return;
	if (completion.n > 1 && !completion.common[length]) {
		list(e);
		return;
	}
	while (completion.common[length])
		insert(e, completion.common[length++]);
	if (completion.n == 1 && completion.suffix && e->at == e->n)
		insert(e, completion.suffix);
}

/* ---- All together ---- */

static void clear_screen(const struct edit *e)
{
	show("\033[H\033[J");
	draw(e);
}

static void press(struct edit *e, unsigned key)
{
	switch (key) {
	case CTRL('A'):
	case KEY_HOME: move(e, 0); break;
	case CTRL('E'):
	case KEY_END: move(e, e->n); break;
	case CTRL('B'):
	case KEY_LEFT: move(e, e->at - 1); break;
	case CTRL('F'):
	case KEY_RIGHT: move(e, e->at + 1); break;
	case CTRL('P'):
	case KEY_UP: recall(e, e->back + 1); break;
	case CTRL('N'):
	case KEY_DOWN: recall(e, e->back ? e->back - 1 : 0); break;
	case CTRL('H'):
	case RUBOUT: delete_to(e, e->at ? e->at - 1 : 0); break;
	case CTRL('D'):
	case KEY_DELETE: delete_to(e, e->at < e->n ? e->at + 1 : e->at); break;
	case CTRL('K'): delete_to(e, e->n); break;
	case CTRL('U'): delete_to(e, 0); break;
	case CTRL('W'): delete_to(e, word_start(e)); break;
	case CTRL('L'): clear_screen(e); break;
	case CTRL('I'): complete(e); break;
	default:
		if (key >= ' ' && key < RUBOUT)
			insert(e, (char)key);
	}
}

/* Reads a line into LINE_ROOM bytes, without its end; Ctrl-C makes it empty. LF after CR counts as
 * one end. False: Ctrl-D on an empty line. */
bool line_read(struct line_editor *editor, char *line)
{
	static bool after_cr;
	struct edit e = {.editor = editor, .line = line};

	line[0] = '\0';
	show(editor->prompt);
	for (;;) {
		unsigned key = read_key();
		bool skip = key == '\n' && after_cr;

		after_cr = key == '\r';
		if (skip)
			continue;
		if (key == '\r' || key == '\n')
			break;
		if (key == CTRL('D') && !e.n)
			return false;
		if (key == CTRL('C')) {
			e.n = 0;
			line[0] = '\0';
			show("^C");
			break;
		}
		press(&e, key);
	}
	show("\n");
	remember(&e);
	return true;
}
