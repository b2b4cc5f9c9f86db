<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use RRJobs\Rpc\Client;

/**
 * workers/rpc_stub.php as a process.
 */
final class RpcStub
{
    public readonly string $address;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    public function __construct(string $listen = 'tcp://127.0.0.1:0', string $answer = '')
    {
        $this->process = proc_open(
            [PHP_BINARY, __DIR__ . '/workers/rpc_stub.php', $listen],
            [1 => ['pipe', 'w']],
            $this->pipes,
            null,
            ['ANSWER' => bin2hex($answer)] + getenv(),
        );
        $this->address = explode(':', $listen)[0] . '://' . $this->line();
    }

    public function client(float $timeout = 10.0): Client
    {
        return new Client($this->address, 5.0, $timeout);
    }

    /**
     * The next line it prints: for a call of jobs.*, the method and the body as hex.
     */
    public function line(): string
    {
        return trim((string) fgets($this->pipes[1]));
    }

    public function kill(): void
    {
        if (is_resource($this->process)) {
            proc_terminate($this->process, 9);
            proc_close($this->process);
        }
    }
}
