# What the Ruby binding does when things go right and wrong, a line each: check.rb LIBRARY TARGET

require "pillion"

path, target = ARGV
begin
  LIBRARY = Pillion::Library.new(path)
rescue Pillion::Error => e
  puts "load: #{e.status.inspect} #{e.message}"
  exit
end

def attempt(what)
  yield
  puts "#{what} ok"
rescue Pillion::Aborted => e
  puts "#{what} #{e.status} #{e.message} [#{e.response.status} #{e.response.body}]"
rescue Pillion::Error => e
  puts "#{what} #{e.status} #{e.message}"
end

def get(app, target, method = "GET", body = "")
  LIBRARY.call(app, { "REQUEST_METHOD" => method, "REQUEST_URI" => target, "CONTENT_LENGTH" => body.bytesize.to_s }, body)
end

behave = LIBRARY.app("behave")
attempt("early:") { get(behave, "/") }
attempt("init:") { LIBRARY.init({ "BEHAVE_X" => "from the host" }, log_level: 99) }
attempt("again:") { LIBRARY.init }
attempt("nobody:") { LIBRARY.app("nobody") }
every = (0..255).to_a.pack("C*") * 4
puts "echo: #{get(behave, "/echo", "POST", every).body == every ? "same" : "different"}"
puts "env: #{get(behave, "/runtime?env=BEHAVE_X").body.include?("from the host") ? "there" : "missing"}"
response = get(behave, target)
many = response.headers.select { |name, _| name == "X-Many" }.map(&:last).join("|")
puts "response: #{response.status} #{many} #{response.body} #{response.trailers.first.join("=")}"
attempt("cut:") { get(behave, "/panic?n=10&flush=1") }
attempt("nothing:") { get(behave, "/panic") }
attempt("stop:") { LIBRARY.stop }
attempt("late:") { get(behave, "/") }
