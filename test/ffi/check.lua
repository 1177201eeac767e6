-- What the Lua binding does when things go right and wrong, a line each: check.lua LIBRARY TARGET

local pillion = require "pillion"

local path, target = arg[1], arg[2]
local loaded, library = pcall(pillion.load, path)
if not loaded then
    print("load:", library.status, tostring(library))
    return
end

local function attempt(what, act, ...)
    local ok, problem = pcall(act, ...)
    if ok then
        print(what, "ok")
    elseif problem.response then
        print(what, problem.status, tostring(problem), ("[%d %s]"):format(problem.response.status, problem.response.body))
    else
        print(what, problem.status, tostring(problem))
    end
end

local function get(app, target, method, body)
    body = body or ""
    return library:call(app, { { "REQUEST_METHOD", method or "GET" }, { "REQUEST_URI", target }, { "CONTENT_LENGTH", tostring(#body) } }, body)
end

local behave = library:app "behave"
attempt("early:", get, behave, "/")
attempt("init:", library.init, library, { { "BEHAVE_X", "from the host" } }, { log_level = 99 })
attempt("again:", library.init, library)
attempt("nobody:", library.app, library, "nobody")
local every = ""
for i = 0, 1023 do every = every .. string.char(i % 256) end
print("echo:", get(behave, "/echo", "POST", every).body == every and "same" or "different")
print("env:", get(behave, "/runtime?env=BEHAVE_X").body:find "from the host" and "there" or "missing")
local response, many = get(behave, target), {}
for _, header in ipairs(response.headers) do
    if header[1] == "X-Many" then many[#many + 1] = header[2] end
end
print("response:", response.status, table.concat(many, "|"), response.body, table.concat(response.trailers[1], "="))
attempt("cut:", get, behave, "/panic?n=10&flush=1")
attempt("nothing:", get, behave, "/panic")
attempt("stop:", library.stop, library)
attempt("late:", get, behave, "/")
