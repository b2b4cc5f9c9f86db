<?php

declare(strict_types=1);

namespace RRJobs\Tests;

/**
 * A PHP script as a child process with a relay: private descriptors 3 and 4, or stdin and stdout.
 */
final class Child
{
    private const PATIENCE_S = 20;

    public readonly int $pid;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    private readonly int $to;
    private readonly int $from;
    private string $buffer = '';

    /**
     * @param array<string, string> $environment
     */
    public function __construct(string $script, bool $private = true, array $environment = [], string ...$arguments)
    {
        [$this->to, $this->from] = $private ? [3, 4] : [0, 1];
        $this->process = proc_open(
            [PHP_BINARY, $script, ...$arguments],
            [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w'], 3 => ['pipe', 'r'], 4 => ['pipe', 'w']],
            $this->pipes,
            null,
            $environment + ['RR_RELAY' => $private ? 'pipes://fd/3:fd/4' : 'pipes'] + getenv(),
        );
        $this->pid = proc_get_status($this->process)['pid'];
        stream_set_read_buffer($this->pipes[$this->from], 0);
    }

    /**
     * A script given as code; the library is loaded.
     *
     * @param array<string, string> $environment
     */
    public static function code(string $code, bool $private = true, array $environment = []): self
    {
        $script = tempnam(sys_get_temp_dir(), 'rrjobs-test-');
        $loader = var_export(dirname(__DIR__) . '/autoload.php', true);
        file_put_contents($script, "<?php\nunlink(__FILE__);\nrequire {$loader};\n{$code}\n");

        return new self($script, $private, $environment);
    }

    public function send(string ...$frames): void
    {
        fwrite($this->pipes[$this->to], implode('', $frames));
    }

    /**
     * The next frames.
     *
     * @return list<array{flags: int, stream: int, options: list<int>, payload: string}>
     */
    public function frames(int $count): array
    {
        $end = 0;
        for ($found = 0; $found < $count; ++$found) {
            while (strlen($this->buffer) < $end + 12 || strlen($this->buffer) < $end + Wire::length(substr($this->buffer, $end))) {
                $this->buffer .= $this->read();
            }
            $end += Wire::length(substr($this->buffer, $end));
        }
        $frames = Wire::cut(substr($this->buffer, 0, $end));
        $this->buffer = substr($this->buffer, $end);

        return $frames;
    }

    /**
     * The bytes of one read, waited for.
     */
    public function read(): string
    {
        $ready = [$this->pipes[$this->from]];
        $none = null;
        if (stream_select($ready, $none, $none, self::PATIENCE_S) !== 1) {
            throw new \RuntimeException('the child is silent');
        }
        $bytes = fread($this->pipes[$this->from], 1 << 20);
        if ($bytes === '' || $bytes === false) {
            throw new \RuntimeException('the child ended: ' . stream_get_contents($this->pipes[2]));
        }

        return $bytes;
    }

    /**
     * Whether bytes are there, or come within so many seconds.
     */
    public function speaks(float $seconds = 0.0): bool
    {
        $ready = [$this->pipes[$this->from]];
        $none = null;

        return $this->buffer !== ''
            || stream_select($ready, $none, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6)) === 1;
    }

    public function hangUp(): void
    {
        fclose($this->pipes[$this->to]);
        unset($this->pipes[$this->to]);
    }

    /**
     * Send the command to end and wait for it.
     *
     * @return array{int, string, string} exit code, stdout, stderr
     */
    public function end(): array
    {
        if (isset($this->pipes[$this->to])) {
            $this->send(Wire::end());
        }
        $out = stream_get_contents($this->pipes[1]);
        $err = stream_get_contents($this->pipes[2]);

        return [proc_close($this->process), $out, $err];
    }
}
