/*
 * Lua, loaded by krtld: an interpreter with jump tables, callbacks, longjmp() and the C library's
 * files, running scripts.
 */
#include <stdio.h>
#include <string.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>
#include <criterion/criterion.h>

#include "tests/host/libraries.h"

#define LUA(name) PROCESS_FUNCTION(lua, name)

/* Runs a chunk with all libraries open, in a state of its own. Returns what it returns, as text;
 * an error's message begins with "error: ". */
static const char *run(const struct krtld_module *lua, const char *script)
{
	static char text[512];
	lua_State *L = LUA(luaL_newstate)();
	bool failed;

	cr_assert(L);
	LUA(luaL_openlibs)(L);
	failed = LUA(luaL_loadstring)(L, script) || LUA(lua_pcallk)(L, 0, LUA_MULTRET, 0, 0, NULL);
	strcpy(text, failed ? "error:" : "");
	for (int i = 1; i <= LUA(lua_gettop)(L); i++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "",
			 LUA(luaL_tolstring)(L, i, NULL));
		LUA(lua_settop)(L, -2);
	}
	LUA(lua_close)(L);
	return text;
}

static void expect_runs(const struct krtld_module *lua, const char *script, const char *want)
{
	const char *got = run(lua, script);

	cr_expect_str_eq(got, want, "%s\nyields %s, not %s", script, got, want);
}

Test(lua, scripts_yield_what_the_language_says)
{
	static const char *const scripts[][2] = {
	    {"return 1 + 2, 7 // 2, 7 / 2, 2 ^ 10, 7 % -3, 1 << 40, 'a' .. 1",
	     "3 3 3.5 1024.0 -2 1099511627776 a1"},
	    {"local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end return fib(20)",
	     "6765"},
	    {"local t = {} for i = 1, 1000 do t[i] = i * 7919 % 1000 end table.sort(t)\n"
	     "return t[1], t[500], t[1000], #t, table.concat(t, ',', 1, 4)",
	     "0 499 999 1000 0,1,2,3"},
	    {"return string.format('%5.2f|%-4d|%q', math.pi, 42, 'x\\n'), ('abc'):rep(2, '-'),\n"
	     "    ('hello world'):gsub('o', '0'), ('key=val'):match('(%w+)=(%w+)')",
	     " 3.14|42  |\"x\\\n\" abc-abc hell0 w0rld key val"},
	    {"return math.floor(-3.5), math.max(3, 9, 4), math.tointeger(8.0), math.type(1.5),\n"
	     "    string.format('%.6f', math.sin(1) ^ 2 + math.cos(1) ^ 2), math.sqrt(144)",
	     "-4 9 8 float 1.000000 12.0"},
	    {"local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)\n"
	     "return c(), c(), c()",
	     "1 4 9"},
	    {"local V = setmetatable({}, {__index = function(_, k) return k * 2 end,\n"
	     "    __call = function(_, x) return x + 1 end}) return V[21], V(41)",
	     "42 42"},
	    {"local n = 0 for _ in utf8.codes('h\xc3\xa9llo') do n = n + 1 end return n, utf8.char(233)",
	     "5 \xc3\xa9"},
	    {"collectgarbage() for i = 1, 20000 do local t = {i, {i}} end collectgarbage()\n"
	     "return collectgarbage('count') < 200",
	     "true"},
	    {"return load(string.dump(function(x) return x * 2 end))(21)", "42"}};
	struct world *world = process_new();
	struct krtld_module *lua = library_load(world, LIBRARY_LUA);

	for (unsigned i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		expect_runs(lua, scripts[i][0], scripts[i][1]);
	world_unload(world, lua);
	world_expect_empty(world);
}

/* Errors leave the interpreter by longjmp(), through frames of relocated code. */
Test(lua, errors_are_caught_and_named)
{
	struct world *world = process_new();
	struct krtld_module *lua = library_load(world, LIBRARY_LUA);

	expect_runs(lua, "return pcall(error, 'thrown')", "false thrown");
	expect_runs(lua, "return pcall(function() local x = nil; return x.y end)",
		    "false [string \"return pcall(function() local x = nil; return...\"]:1: "
		    "attempt to index a nil value (local 'x')");
	expect_runs(lua, "return select('#', pcall(string.rep)), (pcall(string.rep, 'x', 1 << 62))",
		    "2 false");
	expect_runs(lua, "local function f() return f() + 1 end return (pcall(f))", "false");
	expect_runs(lua, "return xpcall(error, function(m) return 'handled ' .. m end, 'it')",
		    "false handled it");
	expect_runs(lua, "error('left', 0)", "error: left");
	expect_runs(lua, "return 1 +",
		    "error: [string \"return 1 +\"]:1: unexpected symbol near <eof>");
}

static int twice(lua_State *L)
{
	LUA_INTEGER *factor = *(LUA_INTEGER **)lua_getextraspace(L);

	++*factor;
	return 0;
}

Test(lua, a_script_calls_back_into_this_process)
{
	struct world *world = process_new();
	struct krtld_module *lua = library_load(world, LIBRARY_LUA);
	lua_State *L = LUA(luaL_newstate)();
	LUA_INTEGER calls = 0;

	*(LUA_INTEGER **)lua_getextraspace(L) = &calls;
	LUA(lua_pushcclosure)(L, twice, 0);
	LUA(lua_setglobal)(L, "twice");
	cr_assert(!LUA(luaL_loadstring)(L, "for i = 1, 10 do twice() end"));
	cr_assert(!LUA(lua_pcallk)(L, 0, 0, 0, 0, NULL));
	cr_expect_eq(calls, 10);
	LUA(lua_close)(L);
}

/* stdin, stdout and stderr are data of the C library: a copy would be another file. */
Test(lua, its_standard_files_are_those_of_this_process)
{
	struct world *world = process_new();
	struct krtld_module *lua = library_load(world, LIBRARY_LUA);
	lua_State *L = LUA(luaL_newstate)();
	FILE *const files[] = {stdin, stdout, stderr};

	LUA(luaL_openlibs)(L);
	cr_assert(!LUA(luaL_loadstring)(L, "return io.stdin, io.stdout, io.stderr"));
	cr_assert(!LUA(lua_pcallk)(L, 0, 3, 0, 0, NULL));
	for (int i = 0; i < 3; i++)
		cr_expect_eq(((luaL_Stream *)LUA(lua_touserdata)(L, i + 1))->f, files[i]);
	LUA(lua_close)(L);
	expect_runs(lua,
		    "local f = io.tmpfile() f:write('one\\n', 2, '\\nthree') f:seek('set')\n"
		    "local a, b = f:read('l', 'n') f:close() return a, b, io.type(f)",
		    "one 2 closed file");
	expect_runs(lua, "return select(3, io.open('/nowhere/at/all'))", "2");
}
