//! The registers of a stopped thread: which call it is about to make, with what, and its answer.
//!
//! The only place that knows the processor. Elsewhere than on x86-64 every answer is `ENOSYS`.

use nix::unistd::Pid;

use super::calls::Call;

#[cfg(target_arch = "x86_64")]
mod machine {
    use nix::errno::Errno;
    use nix::sys::ptrace;

    use super::{Call, Pid};

    /// Reads the call that a thread is about to make.
    pub(crate) fn call(pid: Pid) -> nix::Result<Call> {
        let regs = ptrace::getregs(pid)?;
        Ok(Call {
            number: regs.orig_rax,
            arguments: [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9],
        })
    }

    /// Reads the answer of a call that has returned.
    pub(crate) fn answer(pid: Pid) -> nix::Result<i64> {
        Ok(ptrace::getregs(pid)?.rax.cast_signed())
    }

    /// Makes the kernel pass over a call.
    pub(crate) fn cancel(pid: Pid) -> nix::Result<()> {
        let mut regs = ptrace::getregs(pid)?;
        regs.orig_rax = u64::MAX;
        ptrace::setregs(pid, regs)
    }

    /// Answers in the kernel's place.
    pub(crate) fn set_answer(pid: Pid, answer: i64) -> nix::Result<()> {
        let mut regs = ptrace::getregs(pid)?;
        regs.rax = answer.cast_unsigned();
        ptrace::setregs(pid, regs)
    }

    /// Changes one of the arguments that are counts.
    pub(crate) fn set_argument(pid: Pid, index: usize, value: u64) -> nix::Result<()> {
        let mut regs = ptrace::getregs(pid)?;
        match index {
            2 => regs.rdx = value,
            4 => regs.r8 = value,
            _ => return Err(Errno::EINVAL),
        }
        ptrace::setregs(pid, regs)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use nix::errno::Errno;

    use super::{Call, Pid};

    pub(crate) fn call(_pid: Pid) -> nix::Result<Call> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn answer(_pid: Pid) -> nix::Result<i64> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn cancel(_pid: Pid) -> nix::Result<()> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn set_answer(_pid: Pid, _answer: i64) -> nix::Result<()> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn set_argument(_pid: Pid, _index: usize, _value: u64) -> nix::Result<()> {
        Err(Errno::ENOSYS)
    }
}

pub(super) use machine::{answer, call, cancel, set_answer, set_argument};
