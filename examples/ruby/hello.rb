# A request from Ruby to a Go application. Build and run it, from the top of the tree:
#
#     make library
#     ruby examples/ruby/hello.rb build/libpillion.so hello '/?name=Ruby'

require_relative "pillion"

path, name, target = ARGV

begin
  library = Pillion::Library.new(path)
  library.init
  response = library.call(library.app(name), {
    "REQUEST_METHOD" => "POST",
    "REQUEST_URI" => target,
    "SERVER_PROTOCOL" => "HTTP/1.1",
    "HTTP_HOST" => "localhost",
    "CONTENT_TYPE" => "application/x-www-form-urlencoded",
    "CONTENT_LENGTH" => "11",
  }, "color=green")
  library.stop
rescue Pillion::Aborted => e
  abort "#{e.message}, after #{e.response.body.bytesize} bytes"
rescue Pillion::Error => e
  abort e.message
end

puts response.status
response.headers.each { |field, value| puts "#{field}: #{value}" }
puts
print response.body
