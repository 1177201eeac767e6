-- What a call costs, and whether calls leave something behind:
--
--     make library
--     luajit examples/luajit/bench.lua build/libpillion.so 100000

package.path = arg[0]:match "^(.-)[^/]*$" .. "?.lua;" .. package.path
local pillion = require "pillion"

local path, calls = arg[1], tonumber(arg[2])

local body = "name=" .. ("x"):rep(1000)
local environ = {
    { "REQUEST_METHOD", "POST" }, { "REQUEST_URI", "/" }, { "SERVER_PROTOCOL", "HTTP/1.1" }, { "HTTP_HOST", "localhost" },
    { "CONTENT_TYPE", "application/x-www-form-urlencoded" }, { "CONTENT_LENGTH", tostring(#body) },
}

local library = pillion.load(path)
library:init({}, { log_level = 8 })
local hello = library:app "hello"

local function run(n)
    for _ = 1, n do
        local response = library:call(hello, environ, body)
        assert(response.status == 200 and #response.body == 1009)
        if pcall(library.call, library, 0, environ, body) then error "0 is no application" end
    end
end

local function resident()
    collectgarbage()
    for line in io.lines "/proc/self/status" do
        local kib = line:match "^VmRSS:%s+(%d+)"
        if kib then return tonumber(kib) end
    end
end

local ffi = require "ffi"
ffi.cdef [[
typedef struct { long seconds, nanoseconds; } pillion_timespec;
int clock_gettime(int clock, pillion_timespec *time);
]]
local function now()
    local time = ffi.new "pillion_timespec"
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

run(calls / 10)
local before, start = resident(), now()
run(calls)
local seconds = now() - start
print(("luajit: %d calls, %.1f us each, resident %d KiB, then %d KiB"):format(calls, seconds / calls * 1e6, before, resident()))
library:stop()
