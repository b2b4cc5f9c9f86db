<?php

declare(strict_types=1);

use RRJobs\Environment;
use RRJobs\Goridge\Frame;
use RRJobs\Goridge\Relay;
use RRJobs\Goridge\RelayFactory;
use RRJobs\Http\JsonCodec;
use RRJobs\Jobs\Consumer;
use RRJobs\Payload;
use RRJobs\StrayOutput;
use RRJobs\Worker;

/**
 * What rude.php does; it says there what each order means.
 */
final class Rude
{
    private readonly Relay $relay;
    private readonly Worker $worker;
    private Payload $payload;

    /** @var array<string, mixed> the order that is being followed */
    private array $order = [];

    /** @var list<string> */
    private array $leaked = [];

    public function __construct()
    {
        $this->relay = RelayFactory::open(Environment::relay());
        $this->worker = new Worker($this->relay);
        if (Environment::relay() === 'pipes') {
            StrayOutput::toStderr();
        }
    }

    /**
     * Follow one order; false when there are no more.
     */
    public function serve(): bool
    {
        $payload = $this->worker->waitPayload();
        if ($payload === null) {
            return false;
        }
        $this->payload = $payload;
        $this->order = $this->orderOf($payload);
        $name = self::first((string) $this->get('once', '')) ? $this->get('do', 'ok') : 'ok';
        if (!method_exists($this, "do_{$name}")) {
            $this->worker->error("rude.php knows no order '{$name}'");
        } else {
            $this->{"do_{$name}"}();
        }

        return true;
    }

    public static function boot(string $how): void
    {
        [$how, $number] = explode(':', $how) + [1 => 0];
        match ($how) {
            'exit' => fwrite(STDERR, "rude.php does not want to boot\n") && exit((int) $number),
            'silent' => sleep(86400),
            'extension' => function_of_a_missing_extension(),
            'slow' => usleep((int) $number * 1000),
            'chatter' => print("hello from rude.php, booting\n"),
        };
    }

    /**
     * Whether this is the first time: there is no such file yet. Always, without a path.
     */
    public static function first(string $path): bool
    {
        return $path === '' || @fopen($path, 'x') !== false;
    }

    /**
     * @return array<string, mixed>
     */
    private function orderOf(Payload $payload): array
    {
        if ($payload->isJob()) {
            $order = json_decode($payload->body, true);

            return is_array($order) ? $order : [];
        }
        $request = (new JsonCodec())->request($payload);
        $path = trim($request->path(), '/');

        return $request->query() + ($path === '' ? [] : ['do' => $path]);
    }

    private function get(string $key, mixed $default): mixed
    {
        $value = $this->order[$key] ?? $default;

        return is_int($default) ? (int) $value : $value;
    }

    /**
     * The bytes of a proper answer.
     */
    private function answer(string $body = 'ok', int $status = 200, string $headers = '{}'): string
    {
        if ($this->payload->isJob()) {
            return Frame::data('', $body === 'ok' ? '{"type":0,"data":[]}' : $body);
        }

        return Frame::data("{\"status\":{$status},\"headers\":{$headers}}", $body, Frame::JSON);
    }

    private function then(string $what): void
    {
        match ($what) {
            'exit' => exit(1),
            'hang' => sleep(86400),
            default => null,
        };
    }

    private function do_ok(): void
    {
        usleep($this->get('ms', 0) * 1000);
        $this->relay->write($this->answer());
    }

    private function do_pid(): void
    {
        $this->relay->write($this->answer((string) getmypid()));
    }

    private function do_request(): void
    {
        $request = (new JsonCodec())->request($this->payload);
        $facts = get_object_vars($request) + ['form' => $request->form(), 'query' => $request->query()];
        foreach ($request->files() as $name => $file) {
            $facts['contents'][$name] = is_object($file) && $file->path !== '' ? file_get_contents($file->path) : null;
        }
        $this->relay->write($this->answer(json_encode($facts, JSON_INVALID_UTF8_SUBSTITUTE | JSON_PRETTY_PRINT)));
    }

    private function do_body(): void
    {
        $this->relay->write($this->answer((string) $this->get('body', '')));
    }

    private function do_settle(): void
    {
        $task = (new Consumer($this->worker))->task($this->payload);
        $message = (string) $this->get('message', 'rude');
        $requeue = (bool) $this->get('requeue', false);
        $delay = $this->get('delay', 0);
        match ($this->get('how', 'complete')) {
            'complete' => $task->complete(),
            'ack' => $task->ack(),
            'fail' => $task->fail($message, $requeue, $delay),
            'nack' => $task->nack($message, $requeue, $delay),
            'requeue' => $task->requeue($message, $delay, $this->get('headers', [])),
        };
    }

    private function do_error(): void
    {
        $this->worker->error((string) $this->get('message', 'rude'));
    }

    private function do_stop(): void
    {
        $this->worker->stop();
    }

    private function do_crash(): void
    {
        fwrite(STDERR, "rude.php crashes\n");
        exit($this->get('code', 1));
    }

    private function do_signal(): void
    {
        fwrite(STDERR, "rude.php kills itself\n");
        posix_kill(getmypid(), $this->get('signal', SIGKILL));
        sleep(5);
    }

    private function do_fatal(): void
    {
        ini_set('memory_limit', '8M');
        str_repeat('x', 64 << 20);
    }

    private function do_throw(): void
    {
        throw new RuntimeException((string) $this->get('message', 'rude'));
    }

    private function do_half(): void
    {
        $this->relay->write(substr($this->answer(), 0, $this->get('bytes', 20)));
        $this->then($this->get('then', 'exit'));
    }

    private function do_garbage(): void
    {
        $this->relay->write((string) $this->get('bytes', "rude garbage, in place of a frame\n"));
        if ($this->get('then', 'hang') === 'before') {
            $this->relay->write($this->answer());
        }
        $this->then($this->get('then', 'hang'));
    }

    private function do_twice(): void
    {
        $second = $this->get('error', 0) ? Frame::plain('again', Frame::ERROR) : $this->answer('again');
        if ($this->get('ms', 0) === 0) {
            $this->relay->write($this->answer() . $second);
        } else {
            $this->relay->write($this->answer());
            usleep($this->get('ms', 0) * 1000);
            $this->relay->write($second);
        }
    }

    private function do_idle(): void
    {
        [$head, $body, $flags] = $this->payload->isJob()
            ? ['', '{"type":0,"data":[]}', 0]
            : ['{"status":200,"headers":{}}', 'ok', Frame::JSON];
        $this->worker->respond($head, $body, $flags, done: true); // answers the fence too
        usleep($this->get('ms', 50) * 1000);
        $this->relay->write($this->answer('to nobody'));
    }

    private function do_silent(): void
    {
    }

    private function do_hang(): void
    {
        $end = microtime(true) + (float) $this->get('s', 3600);
        while (microtime(true) < $end) {
            $this->get('cpu', 0) ?: usleep(20_000);
        }
        $this->relay->write($this->answer());
    }

    private function do_leak(): void
    {
        $this->leaked[] = str_repeat('leak', $this->get('mib', 64) << 18);
        $this->relay->write($this->answer());
    }

    private function do_noise(): void
    {
        echo "noise by echo\n";
        print "noise by print\n";
        var_dump(['noise' => 'by var_dump']);
        trigger_error('noise by a warning', E_USER_WARNING);
        fwrite(STDERR, "noise on stderr\n");
        if ($this->get('stdout', 0)) {
            fwrite(STDOUT, "noise on STDOUT itself\n");
        }
        $this->relay->write($this->answer());
    }

    private function do_stderr(): void
    {
        for ($written = 0; $written < $this->get('kib', 1024); ++$written) {
            fwrite(STDERR, sprintf("%07d %s\n", $written, str_repeat('e', 1015)));
        }
        $this->relay->write($this->answer());
    }

    private function do_stream(): void
    {
        $head = $this->payload->isJob() ? '' : '{"status":200,"headers":{}}';
        $flags = $this->payload->isJob() ? 0 : Frame::JSON;
        $ping = $this->get('ping', 0);
        for ($chunk = 1; $chunk <= $this->get('chunks', 3); ++$chunk) {
            $body = str_pad((string) $chunk, $this->get('size', 5), '.');
            if ($ping) {
                $this->relay->write(Frame::data($head, $body, $flags, Frame::STREAM | Frame::PING));
            } elseif (!$this->worker->stream($head, $body, $flags)) {
                break;
            }
            $head = '';
            usleep($this->get('ms', 0) * 1000);
        }
        if (isset($this->order['die'])) {
            exit((int) $this->order['die']);
        }
        isset($this->order['fail']) ? $this->worker->error((string) $this->order['fail']) : $this->worker->respond('');
    }

    private function do_huge(): void
    {
        $this->relay->write($this->answer(str_repeat('huge', $this->get('mib', 16) << 18)));
    }

    private function do_context(): void
    {
        $frame = $this->answer();
        $this->relay->write(substr($frame, 0, 12) . pack('V', $this->get('cut', 1_000_000)) . substr($frame, 16));
    }

    private function do_option(): void
    {
        $this->relay->write(Frame::plain('no option', 0));
    }

    private function do_crc(): void
    {
        $frame = $this->answer();
        $this->relay->write(substr($frame, 0, 6) . ~substr($frame, 6, 4) . substr($frame, 10));
    }

    private function do_length(): void
    {
        $head = pack('CCV', 0x14, 0, 0xFFFFFFFF);
        $this->relay->write($head . pack('VxxV', crc32($head), 0));
        sleep(86400);
    }

    private function do_control(): void
    {
        $this->relay->write(Frame::plain('{"pid":' . getmypid() . '}', Frame::CONTROL) . $this->answer());
    }

    private function do_status(): void
    {
        $header = json_encode(['X-Rude' => [(string) $this->get('header', 'yes')]]);
        $this->relay->write($this->answer('rude', $this->get('status', 200), $header));
    }
}
