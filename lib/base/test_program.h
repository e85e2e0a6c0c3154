/* test_program.h - for tests: our own programs, run as people run them, and what they say.
 *
 * Programs are named as in the build folder, "vmlab/vmlab", which is where the test program itself
 * is.
 */
#ifndef LIB_BASE_TEST_PROGRAM_H
#define LIB_BASE_TEST_PROGRAM_H

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_SECONDS 120
#define PROGRAM_WORDS 60

/* The build folder: this program's path without the test's own name. */
static inline void program_path(const char *test_source, const char *program, char path[PATH_MAX])
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		fail_msg("/proc/self/exe cannot be read");
	self[strlen(self) - strlen(test_source) + strlen(".c")] = '\0';
	snprintf(path, PATH_MAX, "%.2000s%.2000s", self, program);
}

/* Starts the words, separated by blanks; both its outputs go to `fd`. */
static inline pid_t program_start(const char *test_source, const char *words, int fd)
{
	char path[PATH_MAX], copy[8192], *argv[PROGRAM_WORDS], *rest = copy, *word;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		if (*word && argc < PROGRAM_WORDS - 1)
			argv[argc++] = word;
	argv[argc] = NULL;
	program_path(test_source, argv[0], path);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(PROGRAM_SECONDS);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static inline int program_end(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs them to their end; the caller frees what they said. */
static inline char *program_says(const char *test_source, const char *words, int *status)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	*status = program_end(program_start(test_source, words, fileno(f)));
	long size = ftell(f) < 0 || fseek(f, 0, SEEK_END) < 0 ? 0 : ftell(f);
	char *text = calloc(1, (size_t)size + 1);
	rewind(f);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, f), size);
	fclose(f);
	return text;
}

/* Fails unless it ends with `wanted` and says `sentence` (NULL: whatever). */
static inline void program_expect(
    const char *test_source, int wanted, const char *sentence, const char *words)
{
	char said[8192];
	int status;
	char *text = program_says(test_source, words, &status);
	bool fine = status == wanted && (!sentence || strstr(text, sentence));

	snprintf(said, sizeof(said), "%s", text);
	free(text);
	if (!fine)
		fail_msg("%s\nended with %d, not %d saying \"%s\":\n%s", words, status, wanted,
		    sentence ? sentence : "", said);
}

#define expect_program(wanted, sentence, ...)                                                      \
	do {                                                                                       \
		char expect_words[8192];                                                           \
		snprintf(expect_words, sizeof(expect_words), __VA_ARGS__);                         \
		program_expect(__BASE_FILE__, wanted, sentence, expect_words);                     \
	} while (0)

/* ---- files ------------------------------------------------------------------------------------*/

static inline void file_says(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX], fresh[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(fresh, sizeof(fresh), "%s.new~", path);
	FILE *f = fopen(fresh, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	int closed = fclose(f);
	assert_int_equal(closed, 0);
	assert_int_equal(rename(fresh, path), 0);
}

static inline char *file_text(const char *folder, const char *name)
{
	char path[PATH_MAX], *text = calloc(1, 65536);

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "r");
	assert_non_null(text);
	if (f) {
		text[fread(text, 1, 65535, f)] = '\0';
		fclose(f);
	}
	return text;
}

/* Waits until the file says so (`wanted` false: no more). */
static inline void file_comes_to_say(
    const char *folder, const char *name, const char *sentence, bool wanted)
{
	for (int i = 0; i < PROGRAM_SECONDS * 20; i++) {
		char *text = file_text(folder, name);
		bool there = strstr(text, sentence) != NULL;
		if (there != wanted && i == PROGRAM_SECONDS * 20 - 1)
			fail_msg("%s/%s %s \"%s\":\n%s", folder, name,
			    wanted ? "does not say" : "says", sentence, text);
		free(text);
		if (there == wanted)
			return;
		usleep(50000);
	}
}

static inline void folder_remove(const char *folder)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	assert_int_equal(system(command), 0);
}

#endif
