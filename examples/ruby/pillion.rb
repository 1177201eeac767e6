# Go web applications in a Ruby process: pillion.h by Fiddle.
#
#     library = Pillion::Library.new("build/libpillion.so")
#     library.init
#     response = library.call(library.app("hello"), { "REQUEST_METHOD" => "GET", "REQUEST_URI" => "/" })
#
# Strings are bytes, both ways. pillion_abi.rb holds the declarations; what a
# status or a field means stands in pillion.h.

require "fiddle/import"
require_relative "pillion_abi"

module Pillion
  # A status that is not PILLION_OK: status is its number, name "PILLION_E_...";
  # both nil if loading failed.
  class Error < StandardError
    attr_reader :status, :name

    def initialize(status, text)
      @status, @name = status, status && PillionABI::STATUSES.fetch(status, status.to_s)
      super(@name ? "#{@name}: #{text}" : text)
    end
  end

  # The application broke off: response is what it had sent, with status 0 if nothing.
  class Aborted < Error
    attr_reader :response

    def initialize(status, text, response)
      super(status, text)
      @response = response
    end
  end

  # A whole response. headers and trailers are arrays of [name, value].
  Response = Struct.new(:status, :headers, :trailers, :body)

  # A loaded library, of which there is one in a process and which stays. Load
  # it after the last fork.
  class Library
    SIG_SETMASK = 2
    PAIR = "J J L L"
    PAIR_SIZE = 24

    def initialize(path)
      @structs, @functions = {}, {}
      # Without a slash it would be looked for elsewhere.
      library = blocking_signals { Fiddle.dlopen(path.include?("/") ? path : "./#{path}") }
      parser = Object.new.extend(Fiddle::Importer, Fiddle::CParser)
      parser.dlload # for struct()
      PillionABI::STRUCTS.each { |name, fields| @structs[name] = parser.struct(fields) }
      PillionABI::FUNCTIONS.each do |prototype|
        name, result, parameters = parser.parse_signature(prototype)
        @functions[name.to_sym] = Fiddle::Function.new(library[name], parameters, result)
      end
      has = @functions[:pillion_abi].call
      return if has >> 16 == PillionABI::PILLION_ABI_MAJOR && has & 0xffff >= PillionABI::PILLION_ABI_MINOR

      raise Error.new(nil, "cannot load \"#{path}\": it has the Pillion ABI #{has >> 16}.#{has & 0xffff}, " \
                           "#{PillionABI::PILLION_ABI_MAJOR}.#{PillionABI::PILLION_ABI_MINOR} is needed")
    rescue Fiddle::DLError => e
      raise Error.new(nil, "cannot load \"#{path}\": #{e.message}")
    end

    # pillion_init(): env are variables for the applications, settings fields of
    # pillion_config. Ruby has an answer to SIGPIPE of its own.
    def init(env = {}, **settings)
      variables = pairs(env)
      with(:pillion_config, **settings, flags: PillionABI::PILLION_CONFIG_IGNORE_SIGPIPE,
                            env: variables.first, env_len: env.size) do |config|
        check(@functions[:pillion_init].call(config))
      end
    end

    # The handle of the application registered under a name.
    def app(name)
      handle = [0].pack("Q")
      check(@functions[:pillion_app_find].call(name, name.bytesize, handle))
      handle.unpack1("Q")
    end

    # pillion_call(): environ and headers are pairs, or a Hash. Other Ruby
    # threads run meanwhile.
    def call(app, environ, body = "", headers = [])
      variables, fields = pairs(environ), pairs(headers)
      with(:pillion_request, app: app, environ: variables.first, environ_len: environ.size, headers: fields.first,
                             headers_len: headers.size, body: body, body_len: body.bytesize) do |request|
        with(:pillion_response) do |raw|
          status = @functions[:pillion_call].call(request, raw)
          check(status) unless status == PillionABI::PILLION_E_ABORTED
          response = Response.new(raw.status, list(raw.headers, raw.headers_len), list(raw.trailers, raw.trailers_len),
                                  bytes(raw.body, raw.body_len))
          check(@functions[:pillion_response_free].call(raw.handle))
          raise Aborted.new(status, text(status), response) if status == PillionABI::PILLION_E_ABORTED

          response
        end
      end
    end

    def stop(drain_ms = 1000, stop_ms = 5000)
      check(@functions[:pillion_stop].call(drain_ms, stop_ms))
    end

    private

    def check(status)
      raise Error.new(status, text(status)) unless status == PillionABI::PILLION_OK
    end

    def text(status)
      @functions[:pillion_strerror].call(status).to_s
    end

    # Go's threads are to inherit a full mask: signals are for Ruby's.
    def blocking_signals
      libc = Fiddle.dlopen(nil)
      fill = Fiddle::Function.new(libc["sigfillset"], [Fiddle::TYPE_VOIDP], Fiddle::TYPE_INT)
      mask = Fiddle::Function.new(libc["pthread_sigmask"], [Fiddle::TYPE_INT, Fiddle::TYPE_VOIDP, Fiddle::TYPE_VOIDP], Fiddle::TYPE_INT)
      all, old = "\0" * 128, "\0" * 128
      fill.call(all)
      mask.call(SIG_SETMASK, all, old)
      yield
    ensure
      mask.call(SIG_SETMASK, old, nil)
    end

    # A structure with its size and some fields set, for the time of the block.
    def with(name, **fields)
      @structs[name].malloc(Fiddle::RUBY_FREE) do |struct|
        struct.to_ptr[0, struct.class.size] = "\0" * struct.class.size
        struct.size = struct.class.size
        fields.each { |field, value| struct[field.to_s] = value }
        yield struct
      end
    end

    # An array of pillion_pair, and the bytes it points to.
    def pairs(items)
      items = items.to_a
      block = items.flatten.map(&:b).join
      at = Fiddle::Pointer[block].to_i
      array = items.map do |name, value|
        place, at = at, at + name.bytesize + value.bytesize
        [place, place + name.bytesize, name.bytesize, value.bytesize].pack(PAIR)
      end
      [array.join, block]
    end

    def list(array, length)
      bytes(array, length * PAIR_SIZE).unpack(PAIR * length).each_slice(4).map do |name, value, name_len, value_len|
        [bytes(name, name_len), bytes(value, value_len)]
      end
    end

    def bytes(pointer, length)
      length.zero? ? "".b : Fiddle::Pointer.new(pointer.to_i)[0, length]
    end
  end
end
