# What a call costs, and whether calls leave something behind:
#
#     make library
#     ruby examples/ruby/bench.rb build/libpillion.so 100000

require_relative "pillion"

path, calls = ARGV[0], ARGV[1].to_i

body = "name=" + "x" * 1000
environ = {
  "REQUEST_METHOD" => "POST", "REQUEST_URI" => "/", "SERVER_PROTOCOL" => "HTTP/1.1", "HTTP_HOST" => "localhost",
  "CONTENT_TYPE" => "application/x-www-form-urlencoded", "CONTENT_LENGTH" => body.bytesize.to_s,
}

library = Pillion::Library.new(path)
library.init(log_level: 8)
hello = library.app("hello")

run = lambda do |n|
  n.times do
    response = library.call(hello, environ, body)
    raise "status #{response.status}" unless response.status == 200 && response.body.bytesize == 1009

    begin
      library.call(0, environ, body)
    rescue Pillion::Error
      next
    end
    raise "0 is no application"
  end
end

def resident
  GC.start
  File.read("/proc/self/status")[/^VmRSS:\s+(\d+)/, 1].to_i
end

run.call(calls / 10)
before, start = resident, Process.clock_gettime(Process::CLOCK_MONOTONIC)
run.call(calls)
seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - start
printf("ruby: %d calls, %.1f us each, resident %d KiB, then %d KiB\n", calls, seconds / calls * 1e6, before, resident)
library.stop
