import Broker
import BrokerTestSupport
import Jobs
import Messages
@testable import Monitoring
import RectifIDClient
import Telemetry
import TelemetryTestSupport
import Testing

@Suite(.timeLimit(.minutes(2)))
struct StatusPortTests {
    @Test func readinessFollowsTheWorkersLife() async throws {
        let gate = PassGate(atPass: 1)
        let personalizer = InstantPersonalizer(onPass: { (pass) throws(Status) in gate.wait(at: pass) })
        let options = Workplace.Options(before: { place in
            let (readiness, metrics) = (try place.get("/readyz"), try place.metrics())
            #expect(readiness == (503, "starting: models are loading\n"))
            #expect(try place.get("/healthz").status == 200)
            #expect(metrics[#"rectifid_worker_state{state="starting"}"#] == 1)
        })
        try await Workplace.open(personalizer, options: options) { place in
            try await place.metrics { $0[#"rectifid_worker_state{state="ready"}"#] == 1 }
            #expect(try place.get("/readyz") == (200, "ready\n"))

            let submission = try await place.client.submit(try Workplace.request(iterations: 4))
            await gate.isReached()
            let running = try place.metrics()
            #expect(running[#"rectifid_jobs_running{lane="interactive"}"#] == 1)
            #expect(try place.get("/readyz").status == 200)

            place.worker.drain()
            let draining = try place.get("/readyz")
            #expect(draining.status == 503 && draining.body.hasPrefix("draining"))
            #expect(try place.get("/healthz").status == 200)
            #expect(try place.metrics()[#"rectifid_worker_state{state="draining"}"#] == 1)
            gate.open()
            try await place.metrics {
                $0[#"rectifid_jobs_total{code="OK",lane="interactive",outcome="handed_over"}"#] == 1
                    && $0[#"rectifid_jobs_running{lane="interactive"}"#] == 0
            }
            _ = submission
        }
    }

    @Test func aLostOrBlockedBrokerTakesReadinessAndNotLife() async throws {
        try await Workplace.open { place in
            try await place.metrics {
                $0[#"rectifid_worker_state{state="ready"}"#] == 1
                    && $0[#"rectifid_broker_state{state="connected"}"#] == 1
            }
            await place.broker.close()
            try await place.metrics { $0[#"rectifid_broker_state{state="closed"}"#] == 1 }
            #expect(try place.get("/readyz").status == 503)
            #expect(try place.get("/healthz").status == 200)
        }
    }

    @Test func aHungBrokerThreadTakesLife() async throws {
        try await Workplace.open { place in
            place.setDelay(WorkerMonitor.Delay(connection: "publish", duration: .seconds(59)))
            #expect(try place.get("/healthz").status == 200)
            place.setDelay(WorkerMonitor.Delay(connection: "publish", duration: .seconds(61)))
            let answer = try place.get("/healthz")
            #expect(answer.status == 503 && answer.body.contains("publish"))
            #expect(try place.metrics()[#"rectifid_broker_thread_delay_seconds{connection="publish"}"#] == 61)
            place.setDelay(nil)
            #expect(try place.get("/healthz") == (200, "ok\n"))
        }
    }

    @Test func aBrokerThreadThatStandsStillTakesReadiness() async throws {
        try await Workplace.open { place in
            try await place.metrics { $0[#"rectifid_worker_state{state="ready"}"#] == 1 }
            place.setDelay(WorkerMonitor.Delay(connection: "consume", duration: .seconds(9)))
            #expect(try place.get("/readyz") == (200, "ready\n"))
            place.setDelay(WorkerMonitor.Delay(connection: "consume", duration: .seconds(11)))
            let answer = try place.get("/readyz")
            #expect(answer.status == 503 && answer.body.contains("consume") && answer.body.contains("11 s"))
            // It may come round yet: nothing to restart the process for.
            #expect(try place.get("/healthz").status == 200)
            place.setDelay(nil)
            #expect(try place.get("/readyz").status == 200)
        }
    }

    @Test func otherPathsAreNotFound() async throws {
        try await Workplace.open { place in
            for path in ["/metrics/", "/Healthz", "//healthz", "/readyz%00", "/favicon.ico"] {
                let answer = try place.get(path)
                #expect(answer.status == 404)
            }
            #expect(try place.get("/").status == 200)
            #expect(try place.get("/metrics?name=x").status == 200)
        }
    }

    @Test func changesOfTheConnectionAreCounted() throws {
        let registry = MetricRegistry()
        let watch = BrokerWatch(in: registry)
        let lost = BrokerState.disconnected(.disconnected("gone"))
        for state: BrokerState in [
            .connecting, .connected, .blocked(reason: "memory"), .connected, lost, .connecting, lost, .connecting,
            .connected,
        ] { watch.note(state) }
        let read = try ExpositionParser(registry.exposition)
        #expect(read["rectifid_broker_reconnects_total"] == 1)
        #expect(read["rectifid_broker_disconnections_total"] == 2)
        #expect(read["rectifid_broker_blockings_total"] == 1)
        #expect(read[#"rectifid_broker_state{state="connected"}"#] == 1)
        #expect(read[#"rectifid_broker_state{state="blocked"}"#] == 0)
    }
}
