<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;

/**
 * Workers as processes, over the relays that servers give them.
 */
final class ProcessTest extends TestCase
{
    private const ECHO = '
        $worker = RRJobs\Worker::create();
        while ($payload = $worker->waitPayload()) {
            $worker->respond($payload->context, $payload->body, 0, true);
        }';

    /**
     * @dataProvider relays
     */
    public function testItAnswersAndEndsOnCommand(bool $private): void
    {
        $child = Child::code(self::ECHO, $private);
        $child->send(Wire::fence());
        self::assertSame("{\"pid\":{$child->pid}}", $child->frames(1)[0]['payload']);
        $child->send(Wire::job('one'), Wire::fence());
        [$answer, $pid] = $child->frames(2);
        self::assertStringEndsWith('one', $answer['payload']);
        self::assertSame(0x01, $pid['flags']);
        self::assertSame([0, '', ''], $child->end());
    }

    /**
     * @return iterable<string, array{bool}>
     */
    public function relays(): iterable
    {
        yield 'private descriptors' => [true];
        yield 'stdin and stdout' => [false];
    }

    /**
     * @dataProvider sockets
     */
    public function testItConnectsToASocket(string $listen, string $form): void
    {
        $listener = stream_socket_server($listen);
        $child = Child::code(self::ECHO, true, ['RR_RELAY' => sprintf($form, stream_socket_get_name($listener, false))]);
        $server = stream_socket_accept($listener, 10);
        fwrite($server, Wire::fence() . Wire::job('one') . Wire::fence() . Wire::end());
        $frames = Wire::cut(stream_get_contents($server));
        self::assertSame(["{\"pid\":{$child->pid}}", 0x00, 0x01], [$frames[0]['payload'], $frames[1]['flags'], $frames[2]['flags']]);
        $child->hangUp(); // it was told to end through the socket, and may be gone already
        self::assertSame(0, $child->end()[0]);
    }

    /**
     * @return iterable<string, array{string, string}>
     */
    public function sockets(): iterable
    {
        yield 'tcp' => ['tcp://127.0.0.1:0', 'tcp://%s'];
        yield 'unix' => ['unix://' . sys_get_temp_dir() . '/rrjobs-' . bin2hex(random_bytes(4)) . '.sock', 'unix://%s'];
    }

    /**
     * @dataProvider relays
     */
    public function testWhatTheProgramPrintsIsNoFrame(bool $private): void
    {
        $child = Child::code('
            ini_set("display_errors", "1");
            $worker = RRJobs\Worker::create();
            while ($payload = $worker->waitPayload()) {
                echo "printed\n";
                var_dump($payload->body);
                trigger_error("a warning", E_USER_WARNING);
                $worker->respond("", "ok");
            }
            echo "bye\n";', $private);
        $child->send(Wire::job('dumped'), Wire::fence(), Wire::job('dumped'), Wire::fence());
        self::assertSame(['ok', 'ok'], array_column(array_values(array_filter(
            $child->frames(4),
            static fn (array $frame) => $frame['flags'] === 0,
        )), 'payload'));
        [$code, $out, $err] = $child->end();
        self::assertSame(0, $code);
        $printed = $private ? $out : $err;
        if (!$private) {
            self::assertSame('', $out, 'stdout is the relay');
        }
        foreach (['printed', 'dumped', 'a warning', 'bye'] as $text) {
            self::assertStringContainsString($text, $printed);
        }
    }

    public function testAnAnswerDoesNotWaitForItsFence(): void
    {
        $child = Child::code(self::ECHO);
        $child->send(Wire::fence());
        $child->frames(1);
        for ($cut = 0; $cut < strlen(Wire::fence()); $cut += 5) {
            $child->send(Wire::job((string) $cut) . substr(Wire::fence(), 0, $cut));
            self::assertStringEndsWith((string) $cut, $child->frames(1)[0]['payload']);
            $child->send(substr(Wire::fence(), $cut));
            self::assertSame(0x01, $child->frames(1)[0]['flags']);
        }
        $child->end();
    }

    /**
     * @dataProvider depths
     */
    public function testBetweenTwoFencesThereIsExactlyOneAnswer(int $depth): void
    {
        $child = Child::code(self::ECHO);
        $child->send(Wire::fence());
        $child->frames(1);
        $sent = 0;
        $send = static function () use ($child, &$sent): void {
            $child->send(Wire::job((string) $sent++) . Wire::fence());
        };
        while ($sent < $depth) {
            $send();
        }
        for ($done = 0; $done < 2000; ++$done) {
            [$answer, $fence] = $child->frames(2);
            self::assertStringEndsWith("}{$done}", $answer['payload']);
            self::assertSame(0x01, $fence['flags']);
            $send();
        }
        $child->frames(2 * $depth);
        self::assertSame(0, $child->end()[0]);
    }

    /**
     * @return iterable<array{int}>
     */
    public function depths(): iterable
    {
        yield [1];
        yield [4];
        yield [16];
    }

    public function testItEndsQuietlyWhenTheServerIsGone(): void
    {
        $child = Child::code(self::ECHO);
        $child->send(Wire::fence());
        $child->frames(1);
        $child->hangUp();
        self::assertSame([0, '', ''], $child->end());
    }

    /**
     * @dataProvider wrongAddresses
     */
    public function testAnAddressItCannotUseIsNamed(string $address): void
    {
        [$code, $out, $err] = Child::code(self::ECHO, true, ['RR_RELAY' => $address])->end();
        self::assertSame(255, $code);
        self::assertStringContainsString($address, $out . $err);
    }

    /**
     * @return iterable<array{string}>
     */
    public function wrongAddresses(): iterable
    {
        yield ['tcp://127.0.0.1:1'];
        yield ['unix:///nowhere/rr.sock'];
        yield ['carrier://pigeon'];
        yield ['pipes://no:where'];
    }
}
