<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\Response;
use PHPUnit\Framework\TestCase;
use Psr\Http\Message\ServerRequestInterface;
use RRJobs\Http\Psr7Worker;
use RRJobs\Worker;

final class Psr7WorkerTest extends TestCase
{
    private Loopback $server;
    private Psr7Worker $http;

    protected function setUp(): void
    {
        if (!class_exists(Psr17Factory::class)) {
            self::markTestSkipped('nyholm/psr7 is not installed');
        }
        $this->server = new Loopback();
        $factory = new Psr17Factory();
        $this->http = new Psr7Worker(new Worker($this->server->relay), $factory, $factory, $factory, 8);
    }

    public function testARequestBecomesAPsr7Request(): void
    {
        $file = tempnam(sys_get_temp_dir(), 'rrjobs-test-');
        file_put_contents($file, 'uploaded');
        $this->server->send(Wire::request([
            'method' => 'POST',
            'protocol' => 'HTTP/2.0',
            'uri' => 'http://host:81/p?a=1',
            'headers' => ['X-Two' => ['1', '2'], 'Content-Type' => ['multipart/form-data']],
            'cookies' => ['c' => 'd'],
            'attributes' => ['ipAddress' => '1.2.3.4'],
            'parsed' => true,
            'uploads' => ['f' => [['name' => 'n', 'mime' => 'm', 'size' => 8, 'error' => 0, 'tmpName' => $file],
                ['name' => 'bad', 'mime' => '', 'size' => 0, 'error' => 8, 'tmpName' => '']]],
        ], '{"x":"y"}'));
        $request = $this->http->waitRequest();
        self::assertSame('POST http://host:81/p?a=1 2', "{$request->getMethod()} {$request->getUri()} {$request->getProtocolVersion()}");
        self::assertSame(['1', '2'], $request->getHeader('x-two'));
        self::assertSame(['host:81'], $request->getHeader('Host'));
        self::assertSame([['a' => '1'], ['c' => 'd'], ['x' => 'y']], [
            $request->getQueryParams(), $request->getCookieParams(), $request->getParsedBody(),
        ]);
        $server = $request->getServerParams();
        self::assertSame(['1.2.3.4', '1, 2', 'multipart/form-data'], [
            $server['REMOTE_ADDR'], $server['HTTP_X_TWO'], $server['CONTENT_TYPE'],
        ]);
        [$good, $bad] = $request->getUploadedFiles()['f'];
        self::assertSame('uploaded', (string) $good->getStream());
        self::assertSame(['n', 'm', 8, 0], [
            $good->getClientFilename(), $good->getClientMediaType(), $good->getSize(), $good->getError(),
        ]);
        self::assertSame(8, $bad->getError());
        unlink($file);
    }

    public function testARawBodyIsReadable(): void
    {
        $this->server->send(Wire::request([], "\0raw"));
        $request = $this->http->waitRequest();
        self::assertSame("\0raw", (string) $request->getBody());
        self::assertNull($request->getParsedBody());
    }

    public function testServingAnswersWithWhatTheHandlerReturns(): void
    {
        $this->server->send(Wire::request(), Wire::request(['method' => 'PUT']), Wire::end());
        $this->http->serve(static fn (ServerRequestInterface $request) => $request->getMethod() === 'GET'
            ? new Response(200, [], 'Hi')
            : throw new \DomainException('no'));
        [$good, $bad] = $this->server->frames();
        self::assertSame('{"status":200,"headers":{}}Hi', $good['payload']);
        self::assertStringContainsString('DomainException: no', $bad['payload']);
    }

    public function testASmallAnswerIsOneFrame(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->respond(new Response(201, ['X-A' => ['1', '2']], '12345678'));
        self::assertSame('{"status":201,"headers":{"X-A":["1","2"]}}12345678', $this->server->frames()[0]['payload']);
    }

    public function testABigAnswerComesInParts(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->respond(new Response(200, [], '123456789'));
        $frames = $this->server->frames();
        self::assertSame([1, 1, 0], array_slice(array_column($frames, 'stream'), 0, 2) + [2 => end($frames)['stream']]);
        self::assertSame('{"status":200,"headers":{}}123456789', implode('', array_column($frames, 'payload')));
    }
}
