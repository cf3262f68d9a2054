/*
 * The report of `make coverage` (tests/host/coverage.py): when it says that something is wrong. A
 * function of four lines, of which one is not reached, stands for the library.
 */
#include <stdio.h>
#include <criterion/criterion.h>

#include "tests/host/run.h"

#define REPORT "python3 tests/host/coverage.py --info $T/info $T/explained"

static const char source[] = "int sign(int x)\n"
			     "{\n"
			     "\tif (x < 0)\n"
			     "\t\treturn -1;\n"
			     "\treturn x > 0;\n"
			     "}\n";

/* Reports on it with that many runs of `return -1`, and those explanations. */
static const struct run *report(unsigned negative, const char *explained)
{
	char info[256];

	snprintf(info, sizeof(info),
		 "TN:\nSF:sign.c\nFN:1,sign\nDA:1,7\nDA:3,7\nBRDA:3,0,0,%u\nBRDA:3,0,1,7\nDA:4,%u\n"
		 "DA:5,7\nend_of_record\n",
		 negative, negative);
	run_write_text("sign.c", source);
	run_write_text("info", info);
	run_write_text("explained", explained);
	return run(REPORT);
}

Test(coverage, a_line_that_is_not_reached_must_be_explained)
{
	run_expect(report(0, ""), 1, "sign.c:4: return -1;\n");
	run_expect(report(0, "# nothing\n\n"), 1, "1 lines not reached, 0 explanations, 1 wrong");
	run_expect(report(0, "sign.c | sign | return -1; | nobody is negative here\n"), 0,
		   "sign.c:4: return -1;\n    nobody is negative here\n");
	run_expect(report(3, ""), 0, "0 lines not reached, 0 explanations, 0 wrong");
}

Test(coverage, an_explanation_of_a_line_that_is_reached_is_wrong)
{
	run_expect(report(3, "sign.c | sign | return -1; | nobody is negative here\n"), 1,
		   "explained, but is reached: sign.c | sign | return -1;");
}

Test(coverage, an_explanation_of_no_line_is_wrong)
{
	run_expect(report(3, "sign.c | sign | return -2; | it was once\n"), 1,
		   "explained, but is no line: sign.c | sign | return -2;");
	run_expect(report(0, "sign.c | other | return -1; | of another function\n"), 1, "2 wrong");
	run_expect(report(0, "other.c | sign | return -1; | of another file\n"), 1, "2 wrong");
}

Test(coverage, an_explanation_without_a_reason_is_wrong)
{
	run_expect(report(0, "sign.c | sign | return -1;\n"), 1,
		   "explained:1: not FILE | FUNCTION");
	run_expect(report(0, "\nsign.c | sign | return -1; | \n"), 1, "explained:2: not FILE");
}

Test(coverage, the_table_has_lines_and_branches)
{
	run_expect(report(0, ""), 1, "    75.0 %         3/4  50.0 %         1/2\n");
	run_expect(report(3, ""), 0, "   100.0 %         4/4 100.0 %         2/2\n");
}

/* A header is compiled into several objects; what one of them reaches is reached. */
Test(coverage, a_file_that_is_measured_twice_counts_once)
{
	const struct run *r;

	report(0, "");
	run_write_text("more", "SF:sign.c\nFN:1,sign\nDA:1,1\nDA:3,1\nBRDA:3,0,0,1\n"
			       "BRDA:3,0,1,-\nDA:4,1\nDA:5,0\nend_of_record\n");
	r = run("cat $T/more >>$T/info; " REPORT);
	run_expect(r, 0, "all                                100.0 %         4/4");
}

/* The script runs host-tests of the directory that it is given: any script will do. */
static const struct run *measure(const char *host_tests)
{
	run_write_text("explained", "");
	run("mkdir -p $T/build/loader");
	run_write_text("build/host-tests", host_tests);
	return run("chmod +x $T/build/host-tests && "
		   "python3 tests/host/coverage.py $T/build $T/explained");
}

Test(coverage, tests_that_fail_or_do_not_run_are_wrong)
{
	run_expect(measure("not a program"), 1, "host-tests");
	run_expect(measure("#!/bin/sh\nexit 0\n"), 1, "the tests failed");
	run_expect(measure("#!/bin/sh\necho Tested: 2, Passing: 1\n"), 1, "the tests failed");
	run_expect(measure("#!/bin/sh\necho Tested: 0, Passing: 0\n"), 1, "the tests failed");
	run_expect(measure("#!/bin/sh\necho Tested: 2, Passing: 2\nexit 3\n"), 1, "status 3");
}

/* Two tests, of which one is killed, or not, before it can write what it counted. */
Test(coverage, a_process_whose_counters_are_lost_is_noticed)
{
	static const char start[] = "#!/bin/sh\ncd $T/build; loader/tool; ./x; ./x";
	static const char end[] = "\necho Tested: 2, Passing: 2\n";
	char script[128];

	run_expect(measure("#!/bin/sh\necho Tested: 2, Passing: 2\n"), 1, "no summary");
	run_write_text("x.c", "#include <unistd.h>\n"
			      "int main(int n, char **v) { if (n > 1) _exit(0); return !v; }\n");
	run("for x in loader/tool x; do gcc --coverage -c $T/x.c -o $T/build/$x.o && "
	    "gcc --coverage $T/build/$x.o -o $T/build/$x || exit 1; done");
	snprintf(script, sizeof(script), "%s; ./x early%s", start, end);
	run_expect(measure(script), 1, "x.gcda: counters of 2 processes, of 3");
	snprintf(script, sizeof(script), "%s; ./x%s", start, end);
	run_expect(measure(script), 1, "2 tests passed, and ran krtld 1 times");
}
