-- Go web applications in a LuaJIT process: pillion.h by LuaJIT's ffi.
--
--     local pillion = require "pillion"
--     local library = pillion.load("build/libpillion.so")
--     library:init()
--     local response = library:call(library:app("hello"), {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/"}})
--
-- Strings are bytes, both ways. A failure is raised as a table: status is its
-- number, name PILLION_E_..., and with PILLION_E_ABORTED response what the
-- application had sent. If loading failed there is neither number nor name, but
-- text, as always. pillion_abi.lua holds the declarations; what a status or
-- a field means stands in pillion.h.

local ffi = require "ffi"
local declarations = require "pillion_abi"

ffi.cdef(declarations)
ffi.cdef [[
typedef struct { unsigned long bits[16]; } pillion_sigset;
int sigfillset(pillion_sigset *set);
int pthread_sigmask(int how, const pillion_sigset *set, pillion_sigset *old);
]]

local C = ffi.C
local SIG_SETMASK = 2

local names = {}
for name, number in declarations:gmatch "(PILLION_E_%u+) = (-%d+)" do
    names[tonumber(number)] = name
end

local Error = {}
Error.__index = Error
function Error:__tostring() return self.name and self.name .. ": " .. self.text or self.text end

local Library = {}
Library.__index = Library

local function failure(library, status, response)
    return setmetatable({
        status = status,
        name = names[status] or tostring(status),
        text = ffi.string(library.C.pillion_strerror(status)),
        response = response,
    }, Error)
end

function Library:check(status)
    if status ~= C.PILLION_OK then error(failure(self, status), 0) end
end

-- Items, {name, value} each, as an array of pillion_pair. Lua may collect the
-- strings it points to when items is collected, not before.
local function pairs_of(items)
    local array = ffi.new("pillion_pair[?]", #items)
    for i, item in ipairs(items) do
        array[i - 1].name, array[i - 1].name_len = item[1], #item[1]
        array[i - 1].value, array[i - 1].value_len = item[2], #item[2]
    end
    return array
end

local function read_pairs(array, n)
    local items = {}
    for i = 0, n - 1 do
        items[i + 1] = { ffi.string(array[i].name, array[i].name_len), ffi.string(array[i].value, array[i].value_len) }
    end
    return items
end

-- Loads the library, of which there is one in a process and which stays. Go's
-- threads inherit a full signal mask, so that signals are for the program.
local function load(path)
    local function refuse(reason)
        error(setmetatable({ text = ('cannot load "%s": %s'):format(path, reason) }, Error), 0)
    end

    -- Without a slash it would be looked for elsewhere.
    local file = path:find "/" and path or "./" .. path
    local all, old = ffi.new "pillion_sigset", ffi.new "pillion_sigset"
    C.sigfillset(all)
    C.pthread_sigmask(SIG_SETMASK, all, old)
    local ok, library = pcall(ffi.load, file)
    C.pthread_sigmask(SIG_SETMASK, old, nil)
    if not ok then refuse(library) end

    if not pcall(function() return library.pillion_abi end) then refuse "it is not a Pillion library" end
    local abi = library.pillion_abi()
    if bit.rshift(abi, 16) ~= C.PILLION_ABI_MAJOR or bit.band(abi, 0xffff) < C.PILLION_ABI_MINOR then
        refuse(("it has the Pillion ABI %d.%d, %d.%d is needed"):format(bit.rshift(abi, 16), bit.band(abi, 0xffff),
            C.PILLION_ABI_MAJOR, C.PILLION_ABI_MINOR))
    end
    return setmetatable({ C = library }, Library)
end

-- pillion_init(): env are variables for the applications, settings fields of
-- pillion_config.
function Library:init(env, settings)
    env = env or {}
    local config, array = ffi.new("pillion_config", settings or {}), pairs_of(env)
    config.size, config.env, config.env_len = ffi.sizeof(config), array, #env
    self:check(self.C.pillion_init(config))
end

-- The handle of the application registered under a name.
function Library:app(name)
    local app = ffi.new "uint64_t[1]"
    self:check(self.C.pillion_app_find(name, #name, app))
    return app[0]
end

-- pillion_call(). Returns status, headers, trailers and body in a table.
function Library:call(app, environ, body, headers)
    body, headers = body or "", headers or {}
    local variables, fields = pairs_of(environ), pairs_of(headers)
    local request, raw = ffi.new "pillion_request", ffi.new "pillion_response"
    request.size, request.app = ffi.sizeof(request), app
    request.environ, request.environ_len = variables, #environ
    request.headers, request.headers_len = fields, #headers
    request.body, request.body_len = body, #body
    raw.size = ffi.sizeof(raw)

    local status = self.C.pillion_call(request, raw)
    if status ~= C.PILLION_OK and status ~= C.PILLION_E_ABORTED then self:check(status) end
    local response = {
        status = raw.status,
        headers = read_pairs(raw.headers, raw.headers_len),
        trailers = read_pairs(raw.trailers, raw.trailers_len),
        body = ffi.string(raw.body, raw.body_len),
    }
    self:check(self.C.pillion_response_free(raw.handle))
    if status == C.PILLION_E_ABORTED then error(failure(self, status, response), 0) end
    return response
end

function Library:stop(drain_ms, stop_ms)
    self:check(self.C.pillion_stop(drain_ms or 1000, stop_ms or 5000))
end

return { load = load }
