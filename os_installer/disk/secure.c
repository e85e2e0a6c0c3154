#include "os_installer/disk/secure.h"

#include <errno.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/base/log.h"

#define SHORT_MS 15000
#define LONGEST_MS                                                                                 \
	(48U * 3600 * 1000) /* as the order; a disk that says it takes longer has that             \
			     */

int secure_ioctl_real(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

/* ---- NVMe --------------------------------------------------------------------------------------
 */

#define NVME_IDENTIFY 0x06
#define NVME_FORMAT 0x80
#define NVME_DATA_BYTES 4096
#define NVME_CAN_FORMAT 2U /* OACS */
#define NVME_ERASES_ALL 3U /* FNA: every namespace of the controller */
#define NVME_CRYPTO_ERASE 4U
#define NVME_CONTROLLER 1 /* what is asked for: CNS */
#define NVME_NAMESPACES 2
#define NVME_ERASE_DATA (1U << 9)
#define NVME_ERASE_KEY (2U << 9)

static int nvme(int fd, secure_ioctl call, struct nvme_admin_cmd *c, const char *what,
    const struct disk *d, struct err *e)
{
	int status = call(fd, NVME_IOCTL_ADMIN_CMD, c);

	if (status < 0)
		return err_errno(e, "disk %s: %s", d->path, what);
	if (status > 0)
		return err_set(e, EIO, "disk %s: %s ended with NVMe status 0x%x", d->path, what,
		    (unsigned)status);
	return 0;
}

static int nvme_identify(int fd, secure_ioctl call, const struct disk *d, uint32_t namespace_id,
    uint32_t what, uint8_t out[NVME_DATA_BYTES], struct err *e)
{
	struct nvme_admin_cmd c = {.opcode = NVME_IDENTIFY,
	    .nsid = namespace_id,
	    .addr = (uintptr_t)out,
	    .data_len = NVME_DATA_BYTES,
	    .cdw10 = what};

	memset(out, 0, NVME_DATA_BYTES);
	return nvme(fd, call, &c, "the question what it can do", d, e);
}

/* One that would erase more than the disk that is meant. */
static int nvme_others_spare(int fd, const struct disk *d, secure_ioctl call, struct err *e)
{
	uint8_t list[NVME_DATA_BYTES];

	if (nvme_identify(fd, call, d, 0, NVME_NAMESPACES, list, e) < 0 || list[4] || list[5] ||
	    list[6] || list[7])
		return err_set(e, ENOTSUP,
		    "disk %s is not the only one of its controller, whose NVMe format erases all of them: order \"blocks\", or \"discard\"",
		    d->path);
	return 0;
}

static int nvme_look(
    int fd, const struct disk *d, secure_ioctl call, struct secure_way *out, struct err *e)
{
	uint8_t data[NVME_DATA_BYTES];
	int id = call(fd, NVME_IOCTL_ID, NULL);
	int r = id <= 0 ? err_errno(e, "disk %s is no NVMe namespace", d->path)
			: nvme_identify(fd, call, d, 0, NVME_CONTROLLER, data, e);

	if (r < 0)
		return r;
	bool can = data[256] & NVME_CAN_FORMAT, crypto = data[524] & NVME_CRYPTO_ERASE;
	bool all = data[524] & NVME_ERASES_ALL;
	if (!can)
		return err_set(e, ENOTSUP,
		    "disk %s has no NVMe format: order \"blocks\", or \"discard\"", d->path);
	if ((all && (r = nvme_others_spare(fd, d, call, e)) < 0) ||
	    (r = nvme_identify(fd, call, d, (uint32_t)id, 0, data, e)) < 0)
		return r;
	/* As it is now: FLBAS has the format's low bits, the way of metadata, and its high bits. */
	out->format = (data[26] & 0x1fU) | (data[26] & 0x60U) << 7 |
		      (crypto ? NVME_ERASE_KEY : NVME_ERASE_DATA);
	out->nvme = true;
	out->namespace_id = (uint32_t)id;
	snprintf(out->text, sizeof(out->text), "NVMe format, %s",
	    crypto ? "its key forgotten" : "its data erased");
	return 0;
}

static int nvme_erase(
    int fd, const struct disk *d, const struct secure_way *way, secure_ioctl call, struct err *e)
{
	struct nvme_admin_cmd c = {.opcode = NVME_FORMAT,
	    .nsid = way->namespace_id,
	    .cdw10 = way->format,
	    .timeout_ms = LONGEST_MS};

	return nvme(fd, call, &c, "its format", d, e);
}

/* ---- ATA ---------------------------------------------------------------------------------------
 */

#define ATA_IDENTIFY 0xec
#define ATA_SET_PASSWORD 0xf1
#define ATA_ERASE_PREPARE 0xf3
#define ATA_ERASE_UNIT 0xf4
#define ATA_DISABLE_PASSWORD 0xf6
#define ATA_BYTES 512
#define ATA_WORD(data, n) ((unsigned)((data)[2 * (n)] | (data)[2 * (n) + 1] << 8))

enum { NONE, IN, OUT };

static int ata(int fd, secure_ioctl call, uint8_t command, int direction, uint8_t *data,
    unsigned timeout_ms, struct err *e)
{
	/* The protocol: no data, PIO in, PIO out. The length: one block, in the count. */
	uint8_t cdb[16] = {0x85,
	    (uint8_t)((direction == NONE    ? 3
			  : direction == IN ? 4
					    : 5)
		      << 1),
	    direction == NONE ? 0
	    : direction == IN ? 0x0e
			      : 0x06};
	uint8_t sense[32] = {0};
	sg_io_hdr_t io = {.interface_id = 'S',
	    .dxfer_direction = direction == NONE ? SG_DXFER_NONE
			       : direction == IN ? SG_DXFER_FROM_DEV
						 : SG_DXFER_TO_DEV,
	    .cmd_len = sizeof(cdb),
	    .mx_sb_len = sizeof(sense),
	    .dxfer_len = direction == NONE ? 0 : ATA_BYTES,
	    .dxferp = direction == NONE ? NULL : data,
	    .cmdp = cdb,
	    .sbp = sense,
	    .timeout = timeout_ms};

	cdb[6] = direction == NONE ? 0 : 1;
	cdb[14] = command;
	if (call(fd, SG_IO, &io) < 0)
		return err_errno(e, "no ATA command reaches it");
	/* No condition was asked for: one comes for a failure only, in either form of sense data.
	 */
	if (io.host_status || (io.driver_status & 0x0f & ~0x08) || io.status)
		return err_set(e, EIO,
		    "ATA command 0x%02x failed (status 0x%02x, host 0x%x, sense key 0x%x)", command,
		    io.status, io.host_status, sense[sense[0] >= 0x72 ? 1 : 2] & 0x0f);
	return 0;
}

/* Words 89 and 90: in steps of two minutes, with bit 15 up to 15 bits of them, else 8. */
static unsigned ata_minutes(unsigned word)
{
	return 2 * (word & 0x8000 ? word & 0x7fff : word & 0xff);
}

static int ata_look(
    int fd, const struct disk *d, secure_ioctl call, struct secure_way *out, struct err *e)
{
	uint8_t data[ATA_BYTES] = {0};
	struct err failure = ERR_INIT;

	if (ata(fd, call, ATA_IDENTIFY, IN, data, SHORT_MS, &failure) < 0)
		return err_set(e, ENOTSUP,
		    "disk %s does not say by ATA what it can do (%s): order \"blocks\", or \"discard\"",
		    d->path, failure.msg);
	unsigned security = ATA_WORD(data, 128);
	const char *why =
	    !(security & 1) ? "has no ATA security erase"
	    : security & 4  ? "is locked with a password"
	    : security & 8
		? "was frozen by the firmware, which is lifted by switching its power off and on, or in the firmware's setup"
	    : security & 2    ? "has a password already"
	    : security & 0x10 ? "has counted too many wrong passwords"
			      : NULL;
	if (why)
		return err_set(
		    e, ENOTSUP, "disk %s %s: order \"blocks\", or \"discard\"", d->path, why);
	out->locks = true;
	out->enhanced = security & 0x20;
	out->about_min = ata_minutes(ATA_WORD(data, out->enhanced ? 90 : 89));
	snprintf(
	    out->text, sizeof(out->text), "ATA %ssecurity erase", out->enhanced ? "enhanced " : "");
	return 0;
}

static void password(uint8_t data[ATA_BYTES], unsigned word0)
{
	memset(data, 0, ATA_BYTES);
	data[0] = (uint8_t)word0;
	memcpy(data + 2, SECURE_PASSWORD, strlen(SECURE_PASSWORD));
}

/* A disk that was not erased must not stay locked. */
static void unlock(int fd, const struct disk *d, secure_ioctl call)
{
	uint8_t data[ATA_BYTES];
	struct err e = ERR_INIT;

	password(data, 0);
	if (ata(fd, call, ATA_DISABLE_PASSWORD, OUT, data, SHORT_MS, &e) < 0)
		log_warn("disk %s is locked now, with the password \"" SECURE_PASSWORD "\": %s",
		    d->path, e.msg);
}

/* Twice what it says of itself: a command that is cut short leaves it locked. */
static unsigned erase_ms(const struct secure_way *way)
{
	uint64_t twice_ms = 2ULL * way->about_min * 60 * 1000;

	return twice_ms < LONGEST_MS   ? LONGEST_MS
	       : twice_ms < UINT32_MAX ? (unsigned)twice_ms
				       : UINT32_MAX;
}

static int ata_erase(
    int fd, const struct disk *d, const struct secure_way *way, secure_ioctl call, struct err *e)
{
	uint8_t data[ATA_BYTES];

	password(data, 0);
	int r = ata(fd, call, ATA_SET_PASSWORD, OUT, data, SHORT_MS, e);
	if (r < 0)
		return err_wrap(
		    e, "disk %s takes no password, without which it does not erase", d->path);
	r = ata(fd, call, ATA_ERASE_PREPARE, NONE, NULL, SHORT_MS, e);
	if (r == 0) {
		password(data, way->enhanced ? 2 : 0);
		r = ata(fd, call, ATA_ERASE_UNIT, OUT, data, erase_ms(way), e);
	}
	if (r < 0) {
		unlock(fd, d, call);
		err_wrap(e, "disk %s did not erase itself", d->path);
	}
	return r;
}

/* ---- either ------------------------------------------------------------------------------------
 */

int secure_look(
    int fd, const struct disk *d, secure_ioctl call, struct secure_way *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(d->transport, "nvme") == 0)
		return nvme_look(fd, d, call, out, e);
	if (strcmp(d->transport, "sata") == 0 || strcmp(d->transport, "usb") == 0)
		return ata_look(fd, d, call, out, e);
	return err_set(e, ENOTSUP,
	    "disk %s (%s) has no erase of its own that is known here, as NVMe and SATA disks may have one: order \"blocks\", or \"discard\"",
	    d->path, d->transport);
}

int secure_erase(
    int fd, const struct disk *d, const struct secure_way *way, secure_ioctl call, struct err *e)
{
	return way->nvme ? nvme_erase(fd, d, way, call, e) : ata_erase(fd, d, way, call, e);
}
