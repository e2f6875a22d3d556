# Tests with a bound on real time, which a busy machine may miss, and those that take more than two seconds by design (many
# rounds, real pauses). All others promise to be quick and to depend on no clock.

set(rwkv_slow_backends Cancel.TakesEffectWithin50MillisecondsInALongPrompt)
set(rwkv_slow_bridge
    Contract.AStopForTheIdThatALoadIsToGetEndsTheLoad
    Contract.S11_ALoadDisturbsNeitherARunNorItsPolls
    Contract.S62_TokenCountsAreAnsweredByIdEvenDuringARun
    Defect.D20_D21_AStopDoesNotHoldUpRequestsForOtherModels
    Defect.D22_PollsAndStopsAreServedDuringAPuzzleOfAnyLength
    Defect.D54_ALongPromptOfARealModelCanBeStopped
    Defect.D55_ProgressIsThatOfTheWork
    Memory.APollSeesAModelThatWakesAsGenerating
    Memory.AStopWhileAModelWakesIsAnsweredAtOnce
    Ports.ALoadThatIsGoingOnEndsWithTheRuntime
    Ports.ClosingWhileRequestsWaitForAStopLeavesNothing
    Push.ASlotIsToldAtMostOnceInEightMilliseconds)
set(rwkv_slow_runtime
    Cancel.TakesEffectInDecodeAndKeepsTheText
    Cancel.TakesEffectInPrefill
    Cancel.TakesEffectWhileLoading
    CoreShare.WhoWaitsGivesUpWithinMilliseconds
    TwoModels.AStopWhileAModelWaitsForCoresTakesEffectAtOnce
    TwoModels.AStreamGoesOnWhileAnotherModelReadsALongText
    TwoModels.BothGoOnAndShareByWeight)
set(rwkv_slow_server Leaving.StopEndsWhatIsBeingGenerated)
