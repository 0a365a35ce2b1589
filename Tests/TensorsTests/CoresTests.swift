import Foundation
import Testing

@testable import Tensors

@Suite struct CoresTests {
    @Test(
        arguments: [
            (["cpu.max": "max 100000\n"], nil), (["cpu.max": "200000 100000\n"], 2),
            (["cpu.max": "250000 100000\n"], 3),
            (["cpu.max": "1 100000"], 1), (["cpu.max": "200000 0"], nil), (["cpu.max": "many"], nil),
            (["cpu.max": ""], nil),
            (["cpu.max": "9223372036854775807 1"], Int.max), (["cpu.max": "99999999999999999999 100000"], nil),
            (["cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"], nil),
            (["cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"], 4),
            (["cpu/cpu.cfs_quota_us": "400000\n"], nil), ([:], nil),
        ] as [([String: String], Int?)])
    func aQuotaIsRoundedUp(files: [String: String], cores: Int?) {
        #expect(CPU.coresOfQuota { files[$0] } == cores)
    }

    @Test(
        arguments: [
            ("0-3,8", 5), (" 5", 1), ("0-63", 64), ("0,2,4-5", 4), ("", nil), ("3-1", nil), ("0-99999999999", nil),
            ("all", nil),
            ("0-1,", 2), ("x-3", nil),
        ] as [(String, Int?)])
    func anAffinityMaskCounts(list: String, cores: Int?) {
        #expect(CPU.coresOfAffinity("Name:\trectifid\nCpus_allowed_list:\t\(list)\nMems_allowed:\t1\n") == cores)
    }

    @Test func thisMachineSaysWhichCoresAreAllowed() throws {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        #expect(try #require(CPU.coresOfAffinity(status)) >= 1 && CPU.coresOfAffinity("Name: x") == nil)
        #expect(CPU.availableCores() >= 1)
    }
}
