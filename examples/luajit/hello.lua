-- A request from Lua to a Go application. Build and run it, from the top of the tree:
--
--     make library
--     luajit examples/luajit/hello.lua build/libpillion.so hello '/?name=Lua'

package.path = arg[0]:match "^(.-)[^/]*$" .. "?.lua;" .. package.path
local pillion = require "pillion"

local path, name, target = unpack(arg)

local ok, problem = pcall(function()
    local library = pillion.load(path)
    library:init()
    local response = library:call(library:app(name), {
        { "REQUEST_METHOD", "POST" },
        { "REQUEST_URI", target },
        { "SERVER_PROTOCOL", "HTTP/1.1" },
        { "HTTP_HOST", "localhost" },
        { "CONTENT_TYPE", "application/x-www-form-urlencoded" },
        { "CONTENT_LENGTH", "11" },
    }, "color=green")
    library:stop()

    print(response.status)
    for _, header in ipairs(response.headers) do
        print(header[1] .. ": " .. header[2])
    end
    io.write("\n", response.body)
end)
if not ok then
    io.stderr:write(tostring(problem), "\n")
    os.exit(1)
end
